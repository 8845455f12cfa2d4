//! Why there is no NCCL to begin with.

use std::path::PathBuf;

use super::library::dotted;
use crate::library::LibraryError;

/// NCCL cannot be used, or was asked for what cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NcclError {
    /// It is not installed, or not loadable.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// A function is not in it.
    #[error("{} has no `{symbol}`; install NCCL 2.14 or newer", .path.display())]
    MissingFunction {
        /// The library's file.
        path: PathBuf,
        /// The function.
        symbol: String,
    },
    /// It has no non-blocking communicators.
    #[error("{} is NCCL {}; NCCL {} or newer is needed", .path.display(), dotted(*.version), dotted(*.oldest))]
    TooOld {
        /// The library's file.
        path: PathBuf,
        /// What `ncclGetVersion` says.
        version: i32,
        /// The oldest version that can be used, likewise.
        oldest: i32,
    },
    /// The environment makes NCCL do what must not be.
    #[error(
        "{variable} is {}, but must be {needed} from the start of the process: {reason}",
        .found.as_deref().map_or_else(|| "not set".to_owned(), |found| format!("`{found}`"))
    )]
    Environment {
        /// The variable.
        variable: &'static str,
        /// What it must be.
        needed: &'static str,
        /// What it is, if it is set.
        found: Option<String>,
        /// Why.
        reason: &'static str,
    },
    /// There is no such rank, or no rank at all.
    #[error("there is no rank {rank} among {world}")]
    NoSuchRank {
        /// The rank.
        rank: usize,
        /// How many ranks there are.
        world: usize,
    },
    /// A call that belongs to no step failed.
    #[error("{doing}: {message}")]
    Call {
        /// What was being done.
        doing: &'static str,
        /// What NCCL says, with the name of its code.
        message: String,
    },
}
