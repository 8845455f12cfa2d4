//! Where the matrix, the recordings and the evidence lie.

use std::{
    collections::BTreeMap,
    env, io,
    path::{Path, PathBuf},
};

use crate::{
    cli::RunArguments, dataset, execution::Selected, machine::Machine, matrix::Matrix, plan::PlannedCell,
    protocol::Recording,
};

/// Paths of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Locations {
    /// The matrix.
    pub(crate) matrix: PathBuf,
    /// The folder of recorded inputs, if there is one.
    pub(crate) data: Option<PathBuf>,
    /// The folder of the goldens of earlier releases.
    pub(crate) goldens: PathBuf,
    /// The folder under which evidence is written.
    pub(crate) output: PathBuf,
}

/// Why there is nothing to start from.
#[derive(Debug, thiserror::Error)]
pub enum LocationError {
    /// No matrix was named and none was found.
    #[error(
        "no matrix.yaml in {}, in a parent folder, or beside this program; name one with --matrix FILE",
        .0.display()
    )]
    NoMatrix(PathBuf),
    /// The system does not say where this is.
    #[error("cannot find the current folder or this program: {0}")]
    Nowhere(#[from] io::Error),
}

/// Where evidence goes when no matrix is asked for: as named, beside the matrix that a run would find, or here.
pub(crate) fn output_folder(named: Option<&Path>) -> io::Result<PathBuf> {
    let beside = || -> io::Result<PathBuf> {
        let here = env::current_dir()?;
        let found = matrix_near(&here)?;
        Ok(found.as_deref().and_then(Path::parent).unwrap_or(&here).join(EVIDENCE))
    };
    named.map_or_else(beside, |folder| Ok(folder.to_owned()))
}

/// The folder of evidence beside a matrix.
const EVIDENCE: &str = "bench_artifacts";

/// A matrix here, in a parent folder, or beside this program.
fn matrix_near(here: &Path) -> io::Result<Option<PathBuf>> {
    let beside_program = env::current_exe()?.parent().map(|folder| folder.join("matrix.yaml"));
    let above = here.ancestors().map(|folder| folder.join("matrix.yaml"));
    Ok(above.chain(beside_program).find(|candidate| candidate.is_file()))
}

impl Locations {
    /// Follows the arguments, and looks around where they are silent.
    pub(crate) fn find(arguments: &RunArguments) -> Result<Self, LocationError> {
        let matrix = Self::find_matrix(arguments.matrix.as_deref())?;
        let beside = |name| matrix.parent().unwrap_or(Path::new("")).join(name);
        // A variable that is set to nothing names nothing.
        let data = arguments.data.clone().filter(|folder| !folder.as_os_str().is_empty());
        Ok(Self {
            data: data.or_else(|| Some(beside("data")).filter(|folder| folder.is_dir())),
            goldens: beside("goldens"),
            output: arguments.output.clone().unwrap_or_else(|| beside(EVIDENCE)),
            matrix,
        })
    }

    /// The matrix that was named, or the one that is found: here, in a parent folder, or beside this program.
    pub(crate) fn find_matrix(named: Option<&Path>) -> Result<PathBuf, LocationError> {
        match named {
            Some(matrix) => Ok(matrix.to_owned()),
            None => {
                let here = env::current_dir()?;
                matrix_near(&here)?.ok_or(LocationError::NoMatrix(here))
            }
        }
    }

    /// The recorded inputs of the matrix, and why each cannot be used here (`None`: it can).
    pub(crate) fn recordings(&self, matrix: &Matrix) -> BTreeMap<String, Option<String>> {
        matrix
            .datasets()
            .map(|(name, file)| (name.to_owned(), dataset::why_absent(self.data.as_deref(), file)))
            .collect()
    }

    /// A planned cell with the files that it reads.
    pub(crate) fn attach<'a>(&self, matrix: &Matrix, machine: &Machine, planned: &'a PlannedCell) -> Selected<'a> {
        let recording = matrix.dataset(&planned.cell).and_then(|spec| {
            let path = dataset::resolve(self.data.as_deref()?, &spec.file).ok()?;
            Some(Recording { spec, path })
        });
        Selected { planned, recording, golden: machine.golden_file(&planned.cell.input) }
    }
}
