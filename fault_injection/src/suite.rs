//! The suites that mutants are made for.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A suite by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suite {
    /// Results held against what the definition says.
    Accuracy,
    /// Results held against each other.
    Determinism,
    /// Launches, copies and waits of a call.
    LaunchCount,
    /// Times, held against a copy of as many bytes.
    Performance,
    /// Results held against those of earlier releases.
    BackwardCompat,
    /// Results of several ranks, held against those of one.
    MultiGpu,
}

/// A word that names no suite.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown suite `{0}`; it is one of accuracy, determinism, launch_count, performance, backward_compat, multi_gpu"
)]
pub struct UnknownSuite(pub String);

impl Suite {
    /// Every suite.
    pub const ALL: [Self; 6] =
        [Self::Accuracy, Self::Determinism, Self::LaunchCount, Self::Performance, Self::BackwardCompat, Self::MultiGpu];

    /// The name that the matrix and patch files use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Determinism => "determinism",
            Self::LaunchCount => "launch_count",
            Self::Performance => "performance",
            Self::BackwardCompat => "backward_compat",
            Self::MultiGpu => "multi_gpu",
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Suite {
    type Err = UnknownSuite;

    fn from_str(word: &str) -> Result<Self, UnknownSuite> {
        Self::ALL.into_iter().find(|suite| suite.name() == word).ok_or_else(|| UnknownSuite(word.to_owned()))
    }
}
