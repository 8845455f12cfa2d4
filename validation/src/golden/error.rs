//! Why goldens cannot be used or written.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::manifest::VERSION;
use crate::{bundle::Flaw, exit::Exit};

/// A file or folder of goldens that is refused.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: {flaw}", .path.display())]
pub struct GoldenError {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub flaw: GoldenFlaw,
}

/// What is wrong with goldens.
#[derive(Debug, thiserror::Error)]
pub enum GoldenFlaw {
    /// The system does not let it be read or written.
    #[error("the system refuses it: {0}")]
    System(#[from] io::Error),
    /// It is not what the format says.
    #[error("it is no file of goldens, or only a part of one: {0}")]
    Malformed(String),
    /// Its bytes are not those that were written.
    #[error(
        "it was altered: {0}. Goldens of a release are never changed: `git checkout` brings them back, and a change \
         that is wanted is approved in `suites.backward_compat.approved` of the matrix"
    )]
    Altered(String),
    /// A later version of this program wrote it.
    #[error(
        "version {found} of goldens is newer than {VERSION}, the newest that this program reads; use the version of \
         the program that wrote them, or a later one"
    )]
    Newer {
        /// Its version.
        found: u64,
    },
    /// A name that could not be that of a file and of a cell.
    #[error("`{0}` cannot be a part of a golden's name: those have letters, digits, `_`, `-`, `+` and `.`, 96 at most")]
    Nameless(String),
    /// The release has goldens.
    #[error(
        "release {0} has goldens, which are never written again; raise the version of the workspace for a new release, \
         and approve what has changed since this one in `suites.backward_compat.approved` of the matrix"
    )]
    Exists(String),
    /// The matrix does not say what to write.
    #[error(
        "it does not say what goldens are made of; add `suites.backward_compat.write`, such as `{{problems: [golden]}}`"
    )]
    NoRecipe,
    /// What would be written is wrong, or cannot be had.
    #[error("{golden} must not become a golden: {reason}")]
    Wrong {
        /// Its name.
        golden: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Some of the files are not what they must be.
    #[error("{files} of the files of its releases cannot be used")]
    Unusable {
        /// How many.
        files: usize,
    },
}

impl From<Flaw> for GoldenFlaw {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::Unreadable(error) => Self::System(error),
            Flaw::Altered(what) => Self::Altered(what),
            Flaw::Newer { found } => Self::Newer { found },
            Flaw::Malformed(what) => Self::Malformed(what),
            Flaw::NotAFile
            | Flaw::TooLarge { .. }
            | Flaw::Absurd { .. }
            | Flaw::Foreign(_)
            | Flaw::NeedsSubject(_)
            | Flaw::SubjectLacks { .. }
            | Flaw::NeedsKernels { .. }
            | Flaw::TakesNoKernels
            | Flaw::StillLarge { .. }
            | Flaw::Exists => Self::Malformed(flaw.to_string()),
        }
    }
}

impl GoldenFlaw {
    /// The error for what lies at this path.
    pub(super) fn of(self, path: &Path) -> GoldenError {
        GoldenError { path: path.to_owned(), flaw: self }
    }
}

impl GoldenError {
    /// The exit status that says so.
    pub(crate) fn exit(&self) -> Exit {
        match &self.flaw {
            GoldenFlaw::Malformed(_)
            | GoldenFlaw::Altered(_)
            | GoldenFlaw::Newer { .. }
            | GoldenFlaw::Nameless(_)
            | GoldenFlaw::Exists(_)
            | GoldenFlaw::NoRecipe => Exit::BadInput,
            GoldenFlaw::Wrong { .. } | GoldenFlaw::Unusable { .. } => Exit::Failed,
            GoldenFlaw::System(error) if error.kind() == io::ErrorKind::NotFound => Exit::BadInput,
            GoldenFlaw::System(_) => Exit::HarnessFailed,
        }
    }
}
