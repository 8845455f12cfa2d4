//! Why a library is no subject.

use std::{io, path::PathBuf};

/// What is wrong with a library, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// There is no file.
    #[error("the subject `{}` cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It is no shared library.
    #[error("the subject `{}` is not a shared library: {reason}; build it with `cc -shared -fPIC` or `nvcc -shared`", path.display())]
    NotALibrary {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// It is for another processor.
    #[error("the subject `{}` is for {found}, but this program is for {expected}; build it on this machine", path.display())]
    WrongArchitecture {
        /// The file.
        path: PathBuf,
        /// What the file is for.
        found: String,
        /// What this program is for.
        expected: String,
    },
    /// The linker refuses it.
    #[error("the subject `{}` cannot be loaded: {reason}; link it with every library that it needs", path.display())]
    Unloadable {
        /// The file.
        path: PathBuf,
        /// The linker's reason.
        reason: String,
    },
    /// It is a library, but no subject.
    #[error(
        "the subject `{}` does not export `{symbol}`: define it as robocache_subject.h declares it, with RC_EXPORT in front",
        path.display()
    )]
    MissingSymbol {
        /// The file.
        path: PathBuf,
        /// What is missing.
        symbol: String,
    },
    /// It does not describe itself.
    #[error("the subject `{}` does not describe itself: {reason}", path.display())]
    Undescribed {
        /// The file.
        path: PathBuf,
        /// What is wrong with its description.
        reason: String,
    },
    /// It was built with a later header.
    #[error(
        "the subject `{}` was built for version {found} of the subject ABI, and the newest that this program knows is {newest}; use \
         a later version of this program, or build the subject with the robocache_subject.h of this one",
        path.display()
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that this program knows.
        newest: u32,
    },
    /// It lays out a struct differently.
    #[error(
        "the subject `{}` was compiled with a `struct {name}` of {found} bytes, but version {version} of the subject ABI has \
         {expected}; include robocache_subject.h unchanged, and without a packing pragma",
        path.display()
    )]
    StructSize {
        /// The file.
        path: PathBuf,
        /// The struct.
        name: &'static str,
        /// Its size as the subject was compiled.
        found: u64,
        /// Its size in this version.
        expected: u64,
        /// The version that the subject names.
        version: u32,
    },
    /// The file is another one than was asked for.
    #[error("the subject `{}` was replaced while it was in use: its hash was {expected} and is now {found}; run again", path.display())]
    Replaced {
        /// The file.
        path: PathBuf,
        /// BLAKE3 of the file that was asked for.
        expected: String,
        /// BLAKE3 of the file that is there.
        found: String,
    },
}
