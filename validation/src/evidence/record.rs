//! What is written down about one execution of a cell.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::fact::Fact;
use crate::{cell::Cell, observation::Outcome, verdict::Verdict};

/// One attempt at one cell: everything a report says of it, and everything needed to repeat it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The cell, complete: suite with settings, operator, device, dtype, parameters, input and seed.
    pub cell: Cell,
    /// 1 for the first execution in this run; each retry counts one up.
    pub attempt: u32,
    /// When the cell was handed to a worker, or was found to be impossible here.
    pub started: Timestamp,
    /// Wall-clock time in milliseconds until its outcome was known; 0 if it was not executed.
    pub elapsed_ms: f64,
    /// BLAKE3 of the program that executed it, in hexadecimal: a run may be resumed, a record says by what.
    pub program_hash: String,
    /// BLAKE3 of the library under test, in hexadecimal; left out where the program tests its own operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_hash: Option<String>,
    /// The facts; absent if the cell was not executed.
    pub outcome: Option<Outcome>,
    /// The judgement of them.
    pub verdict: Verdict,
    /// The bundle of a failure, by its path within the run's folder, or why there is none; left out in JSON where none is
    /// expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<Fact<String>>,
}
