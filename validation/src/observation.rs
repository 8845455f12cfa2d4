//! Facts about one execution of a cell. Nothing here says whether they are good.

mod golden;
mod launches;

pub use golden::GoldenFacts;
pub use launches::LaunchFacts;

use robocache_core::{
    compare::{Comparison, Difference},
    tensor::GuardViolation,
};
use serde::{Deserialize, Serialize};

mod performance;
mod ranks;

pub use performance::{GpuConditions, PerformanceFacts, RatioFacts, SamplingEnd, SeriesFacts};
pub use ranks::{
    Bandwidth, CollectiveFacts, FaultFacts, Gathered, MultiGpuFacts, RankFailure, RankReport, Said, ShardedFacts,
    StepDifference, Survivor, Trained, TrainingFacts, Transferred, Way, WayFacts,
};

/// BLAKE3 of each output in hexadecimal, by the output's name.
pub type OutputHashes = Vec<(String, String)>;

/// How the execution of a cell ended, as the supervisor saw it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// The worker answered.
    Observed(Box<Observation>),
    /// The worker process ended without an answer.
    Died(Death),
    /// The deadline passed and the worker's process group was killed.
    DeadlineExceeded {
        /// The deadline.
        deadline_ms: u64,
        /// The end of what the worker printed.
        output_tail: String,
    },
    /// The harness itself could not execute the cell.
    HarnessFailed {
        /// What went wrong.
        message: String,
    },
}

/// How a worker process ended by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its exit status, if no signal did.
    pub exit_code: Option<i32>,
    /// The end of what it printed, such as the message of an abort.
    pub output_tail: String,
}

/// What a worker found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "observation")]
pub enum Observation {
    /// The determinism suite ran to its end.
    Determinism(DeterminismFacts),
    /// The accuracy suite ran to its end.
    Accuracy(Box<AccuracyFacts>),
    /// The launch_count suite ran to its end.
    LaunchCount(Box<LaunchFacts>),
    /// The backward_compat suite ran to its end.
    BackwardCompat(Box<GoldenFacts>),
    /// The multi_gpu suite ran to its end.
    MultiGpu(Box<MultiGpuFacts>),
    /// The performance suite ran to its end.
    Performance(Box<PerformanceFacts>),
    /// The implementation under test returned an error.
    OperatorFailed(OperatorFailure),
    /// The implementation under test panicked.
    Panicked {
        /// The panic's message and place.
        message: String,
    },
    /// The inputs could not be had: a recording is missing or malformed, or breaks a rule of the operator.
    InputRejected {
        /// A stable word for the kind of fault, such as `truncated` or `times_lose_resolution`.
        kind: String,
        /// File, place and rule.
        message: String,
    },
}

/// An error that the implementation under test returned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorFailure {
    /// What was being run, such as `plain` or `graph_replay`.
    pub during: String,
    /// The error.
    pub message: String,
    /// Whether the device's context is unusable, so that the worker must be replaced.
    pub sticky: bool,
}

/// The ladder of rungs, in the order in which they were climbed. It ends at the first broken one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeterminismFacts {
    /// The outputs of the first run.
    pub output_hashes: OutputHashes,
    /// Elements of all outputs of one run.
    pub output_elements: u64,
    /// The rungs.
    pub rungs: Vec<RungFacts>,
}

/// One rung of the ladder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RungFacts {
    /// Its name, such as `repeat`, `threads_3`, `graph_replay` or `cpu_equals_gpu`.
    pub rung: String,
    /// How many runs were compared.
    pub runs: u64,
    /// How many output elements were compared in all runs.
    pub elements: u64,
    /// The run of a repetition that did not give the bits of the first, from 0.
    pub broken_run: Option<u64>,
    /// Outputs whose bits differ, with the first differing element of each.
    pub differences: Vec<Comparison>,
    /// Outputs of which only hashes were compared, and whose hashes differ.
    pub differing_hashes: Vec<String>,
    /// Bytes beside a tensor that were overwritten.
    pub guard_violation: Option<GuardViolation>,
    /// An input that was changed.
    pub mutated_input: Option<String>,
}

/// What the accuracy suite measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccuracyFacts {
    /// One comparison with the reference for each output.
    pub outputs: Vec<Comparison>,
    /// Whether the reference demanded exact bits of every output.
    pub exact: bool,
    /// Elements that a second run with another poison wrote differently: they were not written at all.
    pub unwritten: Vec<Comparison>,
    /// Bytes beside a tensor that were overwritten.
    pub guard_violation: Option<GuardViolation>,
    /// An input that was changed.
    pub mutated_input: Option<String>,
    /// How many problems of random extents were tried.
    pub random_problems: u32,
    /// The smallest failing problem of random extents: its name, what it was fed, and what is wrong.
    pub counterexample: Option<Box<Counterexample>>,
}

/// A problem of random extents that failed, shrunk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counterexample {
    /// The problem's name.
    pub problem: String,
    /// Its input distribution.
    pub distribution: String,
    /// What is wrong with it.
    pub description: String,
}

impl RungFacts {
    /// Whether this rung gave the bits of the first run and touched nothing else.
    pub fn holds(&self) -> bool {
        self.defects().is_empty()
    }

    /// What is wrong, one sentence each.
    pub fn defects(&self) -> Vec<String> {
        let run = self.broken_run.map(|run| format!("run {run} differs"));
        let differences = self.differences.iter().map(|comparison| match &comparison.first {
            Some(first) if is_poison(first) => format!("{comparison}, as if it was not written"),
            Some(_) | None => comparison.to_string(),
        });
        let hashes = self.differing_hashes.iter().map(|output| format!("`{output}` has another hash"));
        run.into_iter()
            .chain(differences)
            .chain(hashes)
            .chain(disturbances(self.guard_violation.as_ref(), self.mutated_input.as_ref()))
            .collect()
    }
}

impl AccuracyFacts {
    /// Whether every element is what it must be and nothing else was touched.
    pub fn holds(&self) -> bool {
        self.defects().is_empty()
    }

    /// What is wrong, one sentence each.
    pub fn defects(&self) -> Vec<String> {
        let outputs = self.outputs.iter().filter(|comparison| comparison.differing > 0).map(Comparison::to_string);
        let unwritten = self.unwritten.iter().map(|comparison| format!("not always written: {comparison}"));
        let counterexample = self.counterexample.iter().map(|counterexample| {
            let Counterexample { problem, distribution, description } = &**counterexample;
            format!("of its random problems, the smallest that fails is {problem} {distribution}: {description}")
        });
        outputs
            .chain(unwritten)
            .chain(disturbances(self.guard_violation.as_ref(), self.mutated_input.as_ref()))
            .chain(counterexample)
            .collect()
    }
}

/// Whether both elements are what outputs are filled with before a call: 0x00 in one run, 0xFF in another.
fn is_poison(difference: &Difference) -> bool {
    let all = |bits: &str, digit: u8| bits.bytes().skip("0x".len()).all(|found| found.eq_ignore_ascii_case(&digit));
    all(&difference.expected_bits, b'0') && all(&difference.actual_bits, b'F')
}

fn disturbances(guard: Option<&GuardViolation>, input: Option<&String>) -> impl Iterator<Item = String> {
    let guard = guard.map(GuardViolation::to_string);
    let input = input.map(|input| format!("input `{input}` was changed"));
    guard.into_iter().chain(input)
}
