//! What the matrix says of a recorded input.

use robocache_core::parameters::Parameters;
use serde::{Deserialize, Serialize};

/// A recorded input of the matrix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasetSpec {
    /// The file, relative to the data folder.
    pub file: String,
    /// How it is read.
    pub format: DatasetFormat,
    /// The operator that it feeds.
    pub operator: String,
    /// The operator's arguments that the recording does not decide, such as `mode`, `grid` or `times`.
    pub parameters: Parameters,
    /// Target rate in hertz, for trajectories: the targets are a uniform timeline over the recording.
    pub rate_hz: Option<f64>,
    /// What must come of it.
    pub expect: Expectation,
}

/// File formats of recorded inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DatasetFormat {
    /// A PLY point cloud, ASCII or binary: x, y, z and any further scalar properties as features.
    Ply,
    /// Comma-separated: epoch nanoseconds, then channels; `#` starts a comment.
    CsvNanoseconds,
    /// TUM RGB-D: epoch seconds with decimals, then channels, separated by spaces; `#` starts a comment.
    Tum,
}

/// What must come of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// It is read, and every check holds.
    #[default]
    Accepted,
    /// It is refused with this kind of fault.
    Rejected(String),
}
