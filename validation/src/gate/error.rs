//! Why two programs could not be compared.

use std::fmt;

use super::{
    baseline::BaselineError,
    child::{ChildError, HelloError},
};
use crate::exit::Exit;

/// One of the two programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The one given with `--against`.
    Baseline,
    /// This one.
    Candidate,
}

impl fmt::Display for Who {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Baseline => "the baseline",
            Self::Candidate => "this program",
        })
    }
}

/// Why there is no comparison at all.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// There is nothing to compare with.
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    /// A process could not be started.
    #[error("{who} {source}")]
    Start {
        /// Whose process.
        who: Who,
        /// Why.
        source: ChildError,
    },
    /// A process cannot be talked to.
    #[error("{who} cannot be compared: {source}")]
    Hello {
        /// Whose process.
        who: Who,
        /// Why.
        source: HelloError,
    },
    /// A process runs somewhere else.
    #[error(
        "{who} measures on another machine ({says}) than this one ({here}): times of two machines cannot be compared"
    )]
    OtherMachine {
        /// Whose process.
        who: Who,
        /// What it says of its machine.
        says: String,
        /// This machine.
        here: String,
    },
    /// They were not built alike.
    #[error("the baseline is a {baseline} build and this program a {candidate} build; build both alike")]
    OtherBuild {
        /// Cargo's profile of the baseline.
        baseline: String,
        /// Cargo's profile of this program.
        candidate: String,
    },
    /// The three processes do not see the same GPU.
    #[error("the processes measure on different GPUs ({0}); set CUDA_VISIBLE_DEVICES to one of them")]
    OtherGpus(String),
    /// A file was replaced in the middle.
    #[error("{who} was replaced by another build while it was being measured; start again")]
    Replaced {
        /// Which.
        who: Who,
    },
    /// A cell cannot be measured at all.
    #[error("{who} cannot measure `{cell}`: it {source}; leave the cell out with a filter")]
    Unprepared {
        /// Whose process.
        who: Who,
        /// The cell.
        cell: String,
        /// What it says.
        source: ChildError,
    },
    /// The two would compute different things.
    #[error("`{cell}`: the baseline generates other inputs than this program, so that their times cannot be compared")]
    OtherInputs {
        /// The cell.
        cell: String,
    },
    /// Nothing is left to be measured.
    #[error("no cell has a series that is asked for ({0})")]
    NoSeries(String),
    /// Somebody interrupted it.
    #[error("interrupted: nothing was decided")]
    Interrupted,
}

impl GateError {
    pub(super) fn from_hello(who: Who, source: HelloError) -> Self {
        match source {
            HelloError::NoHello(ChildError::Interrupted) => Self::Interrupted,
            source @ (HelloError::NoHello(_) | HelloError::Newer(_)) => Self::Hello { who, source },
        }
    }

    /// The exit status that says so.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Baseline(_)
            | Self::Hello { .. }
            | Self::OtherMachine { .. }
            | Self::OtherBuild { .. }
            | Self::OtherGpus(_)
            | Self::Unprepared { .. }
            | Self::OtherInputs { .. }
            | Self::NoSeries(_) => Exit::BadInput,
            Self::Start { .. } | Self::Replaced { .. } => Exit::HarnessFailed,
            Self::Interrupted => Exit::Interrupted,
        }
    }
}
