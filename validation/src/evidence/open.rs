//! Which folder a run's evidence goes to: a new one, one to be finished, or one shared under cargo-nextest.

use std::path::Path;

use super::{
    environment::{Environment, Filters, Selection},
    program::Program,
    run::{NextestRun, Run, RunError},
};
use crate::{
    cli::RunArguments,
    machine::Machine,
    matrix::{Kind, Matrix},
    shell::{quoted, this_program},
};

/// Opens the run that the arguments ask for, under `root`.
pub fn open(
    root: &Path,
    matrix: &Matrix,
    (kind, profile): (Kind, &str),
    machine: &Machine,
    arguments: &RunArguments,
) -> Result<Run, RunError> {
    let text = matrix.text().as_bytes();
    let filters = Filters {
        include: arguments.selection.filter.clone().into_iter().collect(),
        exact: arguments.selection.exact,
        skip: arguments.selection.skip.clone(),
    };
    let selection = Selection { kind, ..Selection::new(profile, filters, text) };
    let mut environment = Environment::collect(Program::current()?, selection, machine, kernel_image());
    environment.invocation = invocation(arguments, kind, profile);
    match (&arguments.resume, NextestRun::current()) {
        (Some(which), _) => Run::resume(root, which, environment),
        (None, Some(shared)) => Run::join(root, &shared.name, environment, text),
        (None, None) => Run::create(root, environment, text),
    }
}

/// BLAKE3 of the embedded image of CUDA kernels, or why there is none.
pub(crate) fn kernel_image() -> Result<String, String> {
    robocache_kernels::IMAGE.embedded().map(|image| image.blake3.to_owned()).map_err(ToString::to_string)
}

/// The words that start this program again as it was started, with this profile and without its filters.
fn invocation(arguments: &RunArguments, kind: Kind, profile: &str) -> String {
    let mut words = this_program();
    words += match kind {
        Kind::Validation => "",
        Kind::Benchmark => " bench",
    };
    words += &format!(" --profile {}", quoted(profile));
    let (matrix, data, subject) = (&arguments.matrix, &arguments.data, &arguments.subject);
    for (option, path) in [("--matrix", matrix), ("--data", data), ("--subject", subject)] {
        if let Some(path) = path {
            words += &format!(" {option} {}", quoted(&path.to_string_lossy()));
        }
    }
    words
}
