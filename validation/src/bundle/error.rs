//! Why a file is no bundle that can be used here.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{manifest::VERSION, subject::SubjectIdentity};

/// A bundle that is refused.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: {flaw}", .path.display())]
pub struct BundleError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub flaw: Flaw,
}

/// What is wrong with a bundle.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// The system does not let it be read.
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
    /// It is a folder, a pipe, a device or a symbolic link.
    #[error("it is not a regular file; a bundle is one file, and links are not followed")]
    NotAFile,
    /// It has more bytes than any bundle; nothing was allocated for them.
    #[error("it has more than {limit} bytes, the most that a bundle may have")]
    TooLarge {
        /// The most bytes.
        limit: u64,
    },
    /// It is cut off, or was never a bundle.
    #[error("it is no bundle, or only a part of one: {0}")]
    Malformed(String),
    /// Its bytes are not those that were written.
    #[error("it was altered: {0}")]
    Altered(String),
    /// A later version of this program wrote it.
    #[error(
        "bundle version {found} is newer than {VERSION}, the newest that this program reads; use the version of the \
         program that wrote it, or a later one"
    )]
    Newer {
        /// Its version.
        found: u64,
    },
    /// A name, a shape or a size in it breaks a rule. No bundle of this program has such a one.
    #[error("{what} is {value}, but {rule}")]
    Absurd {
        /// What.
        what: String,
        /// Its value.
        value: String,
        /// The rule.
        rule: &'static str,
    },
    /// It is whole, but this program cannot replay it.
    #[error("this program cannot replay it: {0}")]
    Foreign(String),
    /// It is of a shared library, and none was given.
    #[error(
        "it is of the shared library {0}; pass `--subject LIBRARY` with that library to see the same bits, or with a \
         repaired one to see whether its cell passes now"
    )]
    NeedsSubject(SubjectIdentity),
    /// The shared library that was given has no such cell.
    #[error("the shared library {subject} cannot replay it: {lack}")]
    SubjectLacks {
        /// The library.
        subject: SubjectIdentity,
        /// What it lacks.
        lack: String,
    },
    /// It is of a file of CUDA kernels, and neither that nor anything else was given to execute its cell with.
    #[error(
        "it is of a file of CUDA kernels of the BLAKE3 {hash}; pass `--kernels FILE` with that file to see the same bits, or \
         with a repaired one to see whether its cell passes now"
    )]
    NeedsKernels {
        /// BLAKE3 of the file, in hexadecimal.
        hash: String,
    },
    /// A file of CUDA kernels was given for a cell that executes none.
    #[error("its cell is of the CPU, and a file of CUDA kernels changes nothing there; leave `--kernels` out")]
    TakesNoKernels,
    /// It cannot be made as small as a minimised bundle must be.
    #[error("the smallest bundle that still fails has {bytes} bytes, more than {limit}")]
    StillLarge {
        /// Its size.
        bytes: u64,
        /// The most bytes.
        limit: u64,
    },
    /// What is to be written is there already.
    #[error("it exists already, and is not overwritten")]
    Exists,
}

impl Flaw {
    /// A value that breaks a rule.
    pub(super) fn absurd(what: impl Into<String>, value: impl ToString, rule: &'static str) -> Self {
        Self::Absurd { what: what.into(), value: value.to_string(), rule }
    }

    /// The error for the file at this path.
    pub(super) fn of(self, path: &Path) -> BundleError {
        BundleError { path: path.to_owned(), flaw: self }
    }
}
