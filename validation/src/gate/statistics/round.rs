//! What was measured: turns in blocks in rounds.

use serde::{Deserialize, Serialize};

/// What one process measured when it was its turn: seconds for one call, one number for each batch of calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Turn {
    /// Seconds for one call; at least one number, all positive and finite.
    pub seconds: Vec<f64>,
}

/// Three turns, one after another in random order, so close that whatever the machine does meanwhile meets them all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// The baseline.
    pub baseline: Turn,
    /// The candidate: the program that might have become slower.
    pub candidate: Turn,
    /// The baseline again, in a process of its own.
    pub control: Turn,
}

/// Blocks measured by the same three processes.
///
/// Where a process happens to lie in memory makes it faster or slower for as long as it lives, by a percent or more, and
/// no number of blocks averages that out. Only other processes do, so rounds are what counts as independent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Round {
    /// At least one.
    pub blocks: Vec<Block>,
}

impl Turn {
    /// The logarithm of the fastest batch: interference only ever adds time. A batch is a mean over many calls, so
    /// what slows every n-th call down slows the fastest batch too.
    fn log_seconds(&self) -> f64 {
        self.seconds.iter().copied().fold(f64::INFINITY, f64::min).ln()
    }
}

impl Round {
    /// The means over blocks of log(candidate / baseline) and log(candidate / control).
    ///
    /// They are not averaged here: where processes are either fast or slow, each of the two is still symmetric if the
    /// programs are equal, as exchanging two processes changes its sign; their average is not, and its trimmed mean is off.
    pub(super) fn log_ratios(&self) -> (f64, f64) {
        let log_ratio = |block: &Block, other: &Turn| block.candidate.log_seconds() - other.log_seconds();
        (self.mean(|block| log_ratio(block, &block.baseline)), self.mean(|block| log_ratio(block, &block.control)))
    }

    /// The mean over blocks of log(control / baseline): what it finds is no difference between programs.
    pub(super) fn control_log_ratio(&self) -> f64 {
        self.mean(|block| block.control.log_seconds() - block.baseline.log_seconds())
    }

    fn mean(&self, contrast: impl Fn(&Block) -> f64) -> f64 {
        self.blocks.iter().map(contrast).sum::<f64>() / self.blocks.len() as f64
    }
}
