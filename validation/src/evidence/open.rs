//! Which folder a run's evidence goes to: a new one, one to be finished, or one shared under cargo-nextest.

use std::path::Path;

use super::{
    environment::{Environment, Filters, Selection},
    program::Program,
    run::{NextestRun, Run, RunError},
};
use crate::{cli::RunArguments, machine::Machine, matrix::Matrix};

/// Opens the run that the arguments ask for, under `root`.
pub fn open(
    root: &Path,
    matrix: &Matrix,
    profile: &str,
    machine: &Machine,
    arguments: &RunArguments,
) -> Result<Run, RunError> {
    let text = matrix.text().as_bytes();
    let filters = Filters {
        include: arguments.selection.filter.clone().into_iter().collect(),
        exact: arguments.selection.exact,
        skip: arguments.selection.skip.clone(),
    };
    let selection = Selection::new(profile, filters, text);
    let kernel_image = robocache_kernels::IMAGE.embedded().map(|image| image.blake3.to_owned()).map_err(ToString::to_string);
    let environment = Environment::collect(Program::current()?, selection, machine, kernel_image);
    match (&arguments.resume, NextestRun::current()) {
        (Some(which), _) => Run::resume(root, which, environment),
        (None, Some(shared)) => Run::join(root, &shared.name, environment, text),
        (None, None) => Run::create(root, environment, text),
    }
}
