//! What will run, and what will not and why.

mod amendments;
mod budgets;
mod cells;
mod expand;
mod goldens;
mod joint;

use std::fmt;

use serde::{Deserialize, Serialize};

pub(crate) use self::joint::ranks_lacking;
use crate::cell::Cell;

/// Why a planned cell is not executed here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "skip", content = "detail")]
pub enum SkipReason {
    /// The machine lacks something; the text says what.
    MachineLacks(String),
    /// The library under test does not have it; the text says what.
    SubjectLacks(String),
    /// The recording is not in the data folder, or no data folder was given.
    DatasetMissing(String),
    /// The matrix excludes it; the text is the matrix's reason.
    Excluded(String),
}

impl fmt::Display for SkipReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MachineLacks(what) => write!(formatter, "this machine cannot run it: {what}"),
            Self::SubjectLacks(what) => write!(formatter, "the subject cannot run it: {what}"),
            Self::DatasetMissing(why) => write!(formatter, "recording not at hand: {why}"),
            Self::Excluded(reason) => write!(formatter, "excluded by the matrix: {reason}"),
        }
    }
}

/// A cell and whether it can run here.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedCell {
    /// The cell.
    pub cell: Cell,
    /// Why it is not executed; `None` if it is.
    pub skip: Option<SkipReason>,
}

/// The ordered cells of one profile on one machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The cells, those that cannot run here included.
    pub cells: Vec<PlannedCell>,
    /// What the profile requires and this machine lacks; not empty means INCOMPLETE.
    pub missing_requirements: Vec<String>,
}
