//! How the program ends, for scripts and CI.

use std::process::ExitCode;

/// The program's exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Every selected cell passed or was skipped with a reason.
    Passed = 0,
    /// At least one cell failed, crashed, timed out or met an error.
    Failed = 1,
    /// The arguments, the matrix or the run to resume are unusable; nothing was executed.
    BadInput = 2,
    /// Nothing failed, but the profile requires something that this machine lacks, or no selected cell can run here.
    Incomplete = 3,
    /// The harness could not do its work, such as write its evidence.
    HarnessFailed = 4,
    /// A comparison with another program found nothing slower for certain, but cannot exclude it either.
    Ambiguous = 5,
    /// A bundle was replayed and still fails, but not with the bits that it holds.
    OtherBits = 6,
    /// Somebody interrupted it; `--resume` finishes the rest.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
