//! What each suite is told to do by the matrix.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A suite with its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuiteSettings {
    /// The same bits in every way of running.
    Determinism(DeterminismSettings),
    /// The right values, within a derived bound.
    Accuracy(AccuracySettings),
}

impl SuiteSettings {
    /// The name used in the matrix and in cell names.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Determinism(_) => "determinism",
            Self::Accuracy(_) => "accuracy",
        }
    }
}

/// Settings of the determinism suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeterminismSettings {
    /// How often the plain run is repeated, with alternating poison in outputs and scratch memory.
    pub repeats: u64,
    /// Whether one run is made in a process of its own.
    #[serde(default)]
    pub fresh_process: bool,
}

/// Settings of the accuracy suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccuracySettings {
    /// How many problems of random extents are tried besides the cell's own; a failing one is shrunk.
    #[serde(default)]
    pub random_problems: u32,
}
