//! One thing to be validated: the unit that is planned, executed, judged and recorded.

use std::fmt;

use robocache_core::{distribution::Distribution, dtype::DType, parameters::Parameters, random::Seed};
use serde::{Deserialize, Serialize};

use crate::{dataset::Expectation, suites::SuiteSettings};

/// The kind of machine on which a cell runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// The host's processor.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
}

impl fmt::Display for Device {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        })
    }
}

/// Where a cell's inputs come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// Drawn from a distribution with the cell's seed.
    Generated(Distribution),
    /// Read from the dataset of this name in the matrix.
    Recorded(String),
    /// Stored with the results of a release.
    Golden(GoldenInput),
    /// Made by the ranks of a cell themselves, with its seed: data of which every result is known beforehand.
    Pattern,
}

/// Which golden: the cell's other parts say of which problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoldenInput {
    /// The release.
    pub release: String,
    /// The distribution from which the release generated it, with the cell's seed.
    pub distribution: Distribution,
    /// BLAKE3 of its file, in hexadecimal.
    pub blake3: String,
}

impl fmt::Display for Input {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Generated(distribution) => distribution.fmt(formatter),
            Self::Recorded(dataset) => formatter.pad(dataset),
            Self::Pattern => formatter.pad("pattern"),
            Self::Golden(golden) => write!(formatter, "{}::{}", golden.distribution, golden.release),
        }
    }
}

/// A cell of the matrix, complete: a worker needs nothing else to execute it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The identity: `suite::operator::device::dtype::problem::input`, and `::w2` behind it where two ranks do it
    /// together. Unique in a plan, stable across runs.
    pub name: String,
    /// The suite and what it is told to do.
    pub suite: SuiteSettings,
    /// The operator's name in the registry, or that of what ranks do together without one, such as `all_reduce_sum`.
    pub operator: String,
    /// Where it runs.
    pub device: Device,
    /// The element type of the data.
    pub dtype: DType,
    /// The operator's arguments. For recorded inputs, those that the recording does not decide.
    pub parameters: Parameters,
    /// Where its inputs come from.
    pub input: Input,
    /// Derived from the matrix seed and [`Cell::data_name`], so that no other cell influences it.
    pub seed: Seed,
    /// What must come of its input.
    pub expect: Expectation,
    /// What it may use.
    pub limits: Limits,
}

/// Explicit limits of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Wall-clock time in milliseconds after which the worker is killed.
    pub deadline_ms: u64,
    /// Host memory in bytes that the worker may allocate; `None` is no limit.
    pub memory_bytes: Option<u64>,
    /// Whether the cell gets a worker process of its own.
    pub fresh_process: bool,
}

impl Cell {
    /// Whether it needs every GPU of the machine, each for itself.
    pub const fn takes_all_gpus(&self) -> bool {
        matches!((&self.suite, self.device), (SuiteSettings::MultiGpu(_), Device::Cuda))
    }

    /// The name without the device: CPU and CUDA cells of one problem get the same data.
    pub fn data_name(suite: &str, operator: &str, dtype: DType, problem: &str, input: &Input) -> String {
        format!("{suite}::{operator}::{dtype}::{problem}::{input}")
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.name)
    }
}
