//! The judgement of facts: pure, and matched without a catch-all arm.

use serde::{Deserialize, Serialize};

use crate::plan::SkipReason;

/// What is said of a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// Everything held.
    Pass,
    /// The implementation under test is wrong.
    Fail {
        /// What does not hold, with the first differing element.
        reason: String,
    },
    /// The cell was not executed, and why.
    Skip {
        /// Why.
        reason: SkipReason,
    },
    /// It did not end in time.
    Timeout {
        /// The deadline that passed.
        deadline_ms: u64,
    },
    /// It took its process down, or would have.
    Crash {
        /// The signal's name, `panic` or `exit N`.
        cause: String,
        /// The end of what it printed.
        detail: String,
    },
    /// The harness or the data is at fault, not the implementation.
    Error {
        /// What went wrong.
        message: String,
    },
}
