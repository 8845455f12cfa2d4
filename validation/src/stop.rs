//! Why a run did not begin or did not get to its end.

use std::io;

use crate::{
    bundle::BundleError,
    cli::UnsupportedOption,
    collection::CollectionError,
    evidence::{AppendError, LogError, RunError, StorageError},
    execution::ExecutionError,
    exit::Exit,
    gate::GateError,
    golden::GoldenError,
    kernels::UnusableKernels,
    locations::LocationError,
    matrix::Diagnostic,
    mutants::MutantsError,
    numbers::NumbersError,
    ranks::{RankError, launched::Launched},
    subject::UnusableSubject,
};

/// What kept the program from an answer; no cell is to blame.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// There is no matrix to run.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// The matrix cannot be used.
    #[error(transparent)]
    Matrix(#[from] Diagnostic),
    /// The command line asks for something that this program does not do.
    #[error(transparent)]
    Option(#[from] UnsupportedOption),
    /// The library under test cannot be one.
    #[error(transparent)]
    Subject(#[from] UnusableSubject),
    /// The file of kernels cannot be one.
    #[error(transparent)]
    Kernels(#[from] UnusableKernels),
    /// The filters leave nothing of the profile.
    #[error("no cell of profile `{profile}` matches the filters{}; `--list` shows their names", and_launched(.launched))]
    NothingSelected {
        /// The profile.
        profile: String,
        /// The ranks that it would need, if a launcher started some.
        launched: Option<Launched>,
    },
    /// A rank that a launcher started cannot be one.
    #[error(transparent)]
    Rank(#[from] RankError),
    /// The evidence folder cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The cells could not be executed to their end.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// The last records could not be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The records cannot be read back for the reports.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Cells were executed, and their records are not in the log any more.
    #[error("no intact record is left of {cells} executed cells; `--resume {run}` executes them again")]
    RecordsLost {
        /// How many.
        cells: usize,
        /// The run.
        run: String,
    },
    /// A report cannot be rendered.
    #[error("cannot render junit.xml: {0}")]
    Junit(#[from] quick_junit::SerializeError),
    /// A report cannot be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Goldens cannot be used or written.
    #[error(transparent)]
    Golden(#[from] GoldenError),
    /// Two programs could not be compared.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// A bundle cannot be used.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Runs cannot be published.
    #[error(transparent)]
    Numbers(#[from] NumbersError),
    /// Runs cannot be summed up as one.
    #[error(transparent)]
    Collection(#[from] CollectionError),
    /// Mutants could not be run.
    #[error(transparent)]
    Mutants(#[from] MutantsError),
    /// The operating system refused.
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
}

fn and_launched(launched: &Option<Launched>) -> String {
    launched.map_or_else(String::new, |launched| format!(" and `{launched}`"))
}

impl From<nix::Error> for Stop {
    fn from(error: nix::Error) -> Self {
        Self::System(error.into())
    }
}

impl Stop {
    /// The exit status that says so.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Location(_)
            | Self::Matrix(_)
            | Self::Option(_)
            | Self::Subject(_)
            | Self::Kernels(_)
            | Self::NothingSelected { .. }
            | Self::Bundle(_)
            | Self::Collection(_)
            | Self::Numbers(_) => Exit::BadInput,
            Self::Run(error) if error.is_bad_input() => Exit::BadInput,
            Self::Rank(error) => error.exit(),
            Self::Gate(error) => error.exit(),
            Self::Golden(error) => error.exit(),
            Self::Mutants(error) => error.exit(),
            Self::Run(_)
            | Self::Execution(_)
            | Self::Append(_)
            | Self::Log(_)
            | Self::RecordsLost { .. }
            | Self::Junit(_)
            | Self::Storage(_)
            | Self::System(_) => Exit::HarnessFailed,
        }
    }

    /// What is shown to people, with colours.
    pub fn styled(&self) -> String {
        match self {
            Self::Matrix(diagnostic) | Self::Mutants(MutantsError::Matrix(diagnostic)) => diagnostic.styled(),
            Self::Location(_)
            | Self::Option(_)
            | Self::Subject(_)
            | Self::Kernels(_)
            | Self::NothingSelected { .. }
            | Self::Rank(_)
            | Self::Run(_)
            | Self::Execution(_)
            | Self::Append(_)
            | Self::Log(_)
            | Self::RecordsLost { .. }
            | Self::Junit(_)
            | Self::Storage(_)
            | Self::Gate(_)
            | Self::Golden(_)
            | Self::Bundle(_)
            | Self::Collection(_)
            | Self::Numbers(_)
            | Self::Mutants(_)
            | Self::System(_) => format!("\x1b[1;31merror\x1b[0m: {self}"),
        }
    }
}
