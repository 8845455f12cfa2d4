//! Why CUPTI gave no census.

use std::path::PathBuf;

use crate::library::LibraryError;

/// CUPTI cannot be used, or its records cannot be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CuptiError {
    /// It is not installed, or not loadable.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// A function is not in it.
    #[error("{} has no `{symbol}`; install CUPTI of CUDA 12 or 13", .path.display())]
    MissingFunction {
        /// The library's file.
        path: PathBuf,
        /// The function.
        symbol: String,
    },
    /// Its records may be laid out differently from what is known here.
    #[error("{} is CUPTI of API version {version}; CUPTI of CUDA 12 or 13 is needed", .path.display())]
    UnknownVersion {
        /// The library's file.
        path: PathBuf,
        /// What `cuptiGetVersion` says.
        version: u32,
    },
    /// A call failed.
    #[error("{doing}: {name} ({code})")]
    Call {
        /// What was being done.
        doing: &'static str,
        /// CUPTI's name of the error, such as `CUPTI_ERROR_INSUFFICIENT_PRIVILEGES`.
        name: String,
        /// The `CUptiResult`.
        code: u32,
    },
    /// Records were lost: a count of the rest would be too small.
    #[error("CUPTI dropped {records} activity records, so that nothing can be counted")]
    Dropped {
        /// How many.
        records: u64,
    },
    /// A record came before its activity was over.
    #[error("CUPTI gave an incomplete record of {what}, so that nothing can be counted")]
    Incomplete {
        /// Of what.
        what: String,
    },
}
