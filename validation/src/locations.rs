//! Where the matrix, the recordings and the evidence lie.

use std::{
    env, io,
    path::{Path, PathBuf},
};

use crate::cli::RunArguments;

/// Paths of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locations {
    /// The matrix.
    pub matrix: PathBuf,
    /// The folder of recorded inputs, if there is one.
    pub data: Option<PathBuf>,
    /// The folder under which evidence is written.
    pub output: PathBuf,
}

/// No matrix was named and none was found.
#[derive(Debug, thiserror::Error)]
#[error("no matrix.yaml in {}, in a parent folder, or beside this program; name one with --matrix FILE", .0.display())]
pub struct NoMatrix(PathBuf);

impl Locations {
    /// Follows the arguments, and looks around where they are silent.
    pub fn find(arguments: &RunArguments) -> io::Result<Result<Self, NoMatrix>> {
        let here = env::current_dir()?;
        let beside_program = env::current_exe()?.parent().map(|folder| folder.join("matrix.yaml"));
        let found = || {
            let above = here.ancestors().map(|folder| folder.join("matrix.yaml"));
            above.chain(beside_program).find(|candidate| candidate.is_file())
        };
        let Some(matrix) = arguments.matrix.clone().or_else(found) else { return Ok(Err(NoMatrix(here))) };
        let beside_matrix = matrix.parent().unwrap_or(Path::new(".")).to_owned();
        let default_data = Some(beside_matrix.join("data")).filter(|folder| folder.is_dir());
        Ok(Ok(Self {
            data: arguments.data.clone().or(default_data),
            output: arguments.output.clone().unwrap_or_else(|| beside_matrix.join("bench_artifacts")),
            matrix,
        }))
    }
}
