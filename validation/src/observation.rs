//! Facts about one execution of a cell. Nothing here says whether they are good.

use robocache_core::{compare::Comparison, tensor::GuardViolation};
use serde::{Deserialize, Serialize};

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
    /// BLAKE3 of each output of the first run, in hexadecimal, by the output's name.
    pub output_hashes: Vec<(String, String)>,
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
    /// Outputs whose bits differ, with the first differing element of each.
    pub differences: Vec<Comparison>,
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
    /// The smallest failing problem of random extents: its name, what it was fed, and its worst comparison.
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
    pub comparison: Comparison,
}
