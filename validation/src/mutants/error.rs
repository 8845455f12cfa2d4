//! Why mutants were not run.

use fault_injection::{CatalogueError, CompileError, MissingCompiler, MissingNvcc, PatchError, Suite};

use crate::{exit::Exit, matrix::Diagnostic, subject::UnusableSubject};

/// What keeps mutants from being run.
#[derive(Debug, thiserror::Error)]
pub enum MutantsError {
    /// A patch file cannot be used.
    #[error("a mutant cannot be used: {0}")]
    Catalogue(#[from] CatalogueError),
    /// A patch does not apply.
    #[error("`{name}`: {source}")]
    Patch {
        /// The mutant or control.
        name: String,
        /// Why not.
        source: PatchError,
    },
    /// Nothing has this name.
    #[error("no mutant, kind or control contains `{0}`; `validation mutants --list` shows their names")]
    NothingMatches(String),
    /// There are none for this device.
    #[error("INCOMPLETE: there are no mutants of {0}, so nothing was shown")]
    NoMutants(&'static str),
    /// There is no compiler.
    #[error("INCOMPLETE: {0}")]
    NoCompiler(#[from] MissingCompiler),
    /// There is no nvcc.
    #[error("INCOMPLETE: {0}")]
    NoNvcc(#[from] MissingNvcc),
    /// There is no GPU to run kernels on.
    #[error("INCOMPLETE: mutants of CUDA kernels were skipped: {0}")]
    NoGpu(String),
    /// Some do not compile.
    #[error("{}", .0.iter().map(|(name, error)| format!("`{name}`: {error}")).collect::<Vec<_>>().join("\n"))]
    Uncompilable(Vec<(String, CompileError)>),
    /// One was compiled to something that is no subject.
    #[error("`{name}`: {source}")]
    Subject {
        /// The mutant or control.
        name: String,
        /// What is wrong with it.
        source: UnusableSubject,
    },
    /// The matrix of mutants cannot be used.
    #[error(transparent)]
    Matrix(#[from] Diagnostic),
    /// A mutant could not be killed by anything that is run.
    #[error(
        "`{name}` must be killed by {suite}, which the matrix of mutants does not run for its operators on {device}"
    )]
    SuiteIsNotRun {
        /// The mutant.
        name: String,
        /// The suite.
        suite: Suite,
        /// The device.
        device: &'static str,
    },
}

impl MutantsError {
    /// The exit status that says so.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Catalogue(_)
            | Self::Patch { .. }
            | Self::NothingMatches(_)
            | Self::Uncompilable(_)
            | Self::Subject { .. }
            | Self::Matrix(_)
            | Self::SuiteIsNotRun { .. } => Exit::BadInput,
            Self::NoMutants(_) | Self::NoCompiler(_) | Self::NoNvcc(_) | Self::NoGpu(_) => Exit::Incomplete,
        }
    }
}
