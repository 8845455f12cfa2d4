//! Facts about what several ranks did together.

use std::fmt;

use robocache_core::{collective::Mismatch, communicator::Announcement, communicator::Loss, compare::Comparison};
use serde::{Deserialize, Serialize};

use super::OutputHashes;

/// What the multi_gpu suite found: one report of every rank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "task")]
pub enum MultiGpuFacts {
    /// A collective in every way in which it can be called.
    Collective(CollectiveFacts),
    /// A sharded operator against the same on one rank.
    Sharded(ShardedFacts),
    /// Training steps against those of one CPU rank.
    DataParallel(TrainingFacts),
    /// What was left of a world that lost a rank.
    Fault(FaultFacts),
}

/// What one rank says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankReport<T> {
    /// The rank.
    pub rank: usize,
    /// What it found, or why it did not get to its end.
    pub said: Said<T>,
}

/// The end of a rank's task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said<T> {
    /// It got to its end, with these facts.
    Found(T),
    /// It did not.
    Failed(RankFailure),
}

/// Why a rank did not get to the end of its task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankFailure {
    /// The error.
    pub message: String,
    /// The rank that it says was lost, if it says that.
    pub loss: Option<Loss>,
}

/// A way of calling a collective.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// From one buffer to another.
    OutOfPlace,
    /// Within one buffer.
    InPlace,
    /// Both buffers begin one element past where allocations do.
    Misaligned,
    /// One transfer on each of two streams, before anybody waits for either.
    TwoStreams,
    /// Captured into a graph, which is replayed.
    GraphReplay,
}

impl Way {
    /// Every way, in the order in which they are tried.
    pub const ALL: [Self; 5] = [Self::OutOfPlace, Self::InPlace, Self::Misaligned, Self::TwoStreams, Self::GraphReplay];

    /// How many transfers' results are checked.
    pub const fn transfers(self) -> u64 {
        match self {
            Self::TwoStreams => 2,
            Self::OutOfPlace | Self::InPlace | Self::Misaligned | Self::GraphReplay => 1,
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::OutOfPlace => "out_of_place",
            Self::InPlace => "in_place",
            Self::Misaligned => "misaligned",
            Self::TwoStreams => "two_streams",
            Self::GraphReplay => "graph_replay",
        })
    }
}

/// What the multi_gpu suite saw of a collective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CollectiveFacts {
    /// One report of each rank that gave one, in their order.
    pub ranks: Vec<RankReport<Transferred>>,
    /// How fast it was, where it was timed.
    pub bandwidth: Option<Bandwidth>,
}

/// What one rank saw of a collective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transferred {
    /// The ways in which it was called.
    pub ways: Vec<WayFacts>,
    /// Seconds for each call, where it was timed.
    pub seconds: Option<f64>,
}

/// What one rank saw of a collective that was called in one way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WayFacts {
    /// The way.
    pub way: Way,
    /// Why it was not tried: the collective or the communicator cannot.
    pub impossible: Option<String>,
    /// How many received elements were compared with what they must be.
    pub elements: u64,
    /// The first that is something else.
    pub mismatch: Option<Mismatch>,
    /// The first element of a send buffer that was changed.
    pub sent_mismatch: Option<Mismatch>,
    /// How many bytes beside the buffers were looked at, those of a buffer that nothing is received into included.
    pub guard_bytes: u64,
    /// How many of them were changed.
    pub disturbed_guard_bytes: u64,
}

/// How fast a collective was, as nccl-tests counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bandwidth {
    /// Bytes that count as moved.
    pub bytes: u64,
    /// Seconds for each call on the slowest rank.
    pub seconds: f64,
    /// Bytes a second.
    pub algorithm: f64,
    /// Bytes a second over the bus between the ranks, whatever their number.
    pub bus: f64,
}

/// What the multi_gpu suite saw of a sharded operator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardedFacts {
    /// One report of each rank that gave one, in their order.
    pub ranks: Vec<RankReport<Gathered>>,
}

/// What one rank saw of a sharded operator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gathered {
    /// The outputs that all ranks made together.
    pub output_hashes: OutputHashes,
    /// Those that this rank made alone.
    pub hashes_alone: OutputHashes,
    /// Elements that were compared.
    pub elements: u64,
    /// Outputs whose bits differ, with the first differing element of each.
    pub differences: Vec<Comparison>,
}

/// What the multi_gpu suite saw of data-parallel training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingFacts {
    /// How many steps one CPU rank made.
    pub reference_steps: u64,
    /// One report of each rank that gave one, in their order.
    pub ranks: Vec<RankReport<Trained>>,
}

/// What one rank's training came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trained {
    /// How many steps it made.
    pub steps: u64,
    /// Hash of what the last one added up.
    pub last_hash: String,
    /// The first step whose hash is not that of the reference.
    pub first_difference: Option<StepDifference>,
}

/// A training step that added up something else than it must.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepDifference {
    /// The step, from 0.
    pub step: u64,
    /// The hash of one CPU rank.
    pub expected: String,
    /// That of this rank.
    pub actual: String,
}

/// What was left of a world that lost a rank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultFacts {
    /// The rank that the fault befell.
    pub victim: usize,
    /// Why the same script failed before, when nothing disturbed it; absent if it did not.
    pub disturbed_before: Option<String>,
    /// What shows that the fault took place; absent if nothing does.
    pub fired: Option<String>,
    /// The step that could not be completed.
    pub step: Announcement,
    /// What each of the other ranks said.
    pub survivors: Vec<Survivor>,
    /// Processes of ranks that were left when all was over.
    pub processes_left: Vec<u32>,
    /// Why no new world could do the same script undisturbed; absent if one did.
    pub not_recovered: Option<String>,
}

/// What a rank said that outlived another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Survivor {
    /// The rank.
    pub rank: usize,
    /// What it ended with; absent if it went through its script as if nothing had been.
    pub failure: Option<RankFailure>,
    /// Seconds from the fault until it said so.
    pub seconds: f64,
    /// Bytes free on its GPU before it joined the communicator; absent on a CPU.
    pub free_memory_before: Option<u64>,
    /// The same after it had given the communicator up.
    pub free_memory_after: Option<u64>,
}

impl WayFacts {
    /// Before anything was looked at.
    pub const fn nothing(way: Way) -> Self {
        Self {
            way,
            impossible: None,
            elements: 0,
            mismatch: None,
            sent_mismatch: None,
            guard_bytes: 0,
            disturbed_guard_bytes: 0,
        }
    }

    /// What is wrong, one sentence each.
    pub fn defects(&self) -> Vec<String> {
        let mismatch = self.mismatch.as_ref().map(Mismatch::to_string);
        let sent = self.sent_mismatch.as_ref().map(|mismatch| format!("the send buffer was changed: {mismatch}"));
        let guards = (self.disturbed_guard_bytes > 0)
            .then(|| format!("{} bytes beside its buffers were changed", self.disturbed_guard_bytes));
        mismatch.into_iter().chain(sent).chain(guards).collect()
    }
}

impl MultiGpuFacts {
    /// How many elements were compared, of all ranks.
    pub fn elements(&self) -> u64 {
        match self {
            Self::Collective(facts) => {
                let ways = found(&facts.ranks).flat_map(|transferred| &transferred.ways);
                ways.map(|way| way.elements).sum()
            }
            Self::Sharded(facts) => found(&facts.ranks).map(|gathered| gathered.elements).sum(),
            // Hashes are compared, or nothing is.
            Self::DataParallel(_) | Self::Fault(_) => 0,
        }
    }
}

/// The facts of those that have any.
fn found<T>(ranks: &[RankReport<T>]) -> impl Iterator<Item = &T> {
    ranks.iter().filter_map(|report| match &report.said {
        Said::Found(facts) => Some(facts),
        Said::Failed(_) => None,
    })
}
