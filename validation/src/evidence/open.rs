//! Which folder a run's evidence goes to: a new one, one to be finished, or one shared under cargo-nextest.

use std::path::Path;

use robocache_core::cuda::KernelFile;

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

/// Opens the run that the arguments ask for, under `root`, of so many cells.
pub fn open(
    root: &Path,
    matrix: &Matrix,
    (kind, profile): (Kind, &str),
    machine: &Machine,
    (arguments, kernels): (&RunArguments, Option<&KernelFile>),
    cells: usize,
) -> Result<Run, RunError> {
    let text = matrix.text().as_bytes();
    let filters = Filters {
        include: arguments.selection.filter.iter().chain(&arguments.further_filters).cloned().collect(),
        exact: arguments.selection.exact,
        skip: arguments.selection.skip.clone(),
        shard: arguments.shard,
        launched: machine.launched,
    };
    let selection = Selection { kind, ..Selection::new(profile, filters, text) };
    let mut environment = Environment::collect(Program::current()?, selection, machine, kernel_image(kernels));
    environment.invocation = invocation(arguments, kind, profile);
    match (&arguments.resume, NextestRun::current()) {
        (Some(which), _) => Run::resume(root, which, environment),
        (None, Some(shared)) => Run::join(root, &shared.name, environment, text),
        (None, None) => Run::create(root, Environment { cells: Some(cells as u64), ..environment }, text),
    }
}

/// Starts a run of another question than the command line's cells: never resumed, and shared with no other process.
pub fn open_anew(
    root: &Path,
    matrix: &Matrix,
    (kind, profile): (Kind, &str),
    filters: Filters,
    machine: &Machine,
    invocation: String,
) -> Result<Run, RunError> {
    let text = matrix.text().as_bytes();
    let selection = Selection { kind, ..Selection::new(profile, filters, text) };
    let environment = Environment::collect(Program::current()?, selection, machine, kernel_image(None));
    Run::create(root, Environment { invocation, ..environment }, text)
}

/// BLAKE3 of the file of kernels, or of the embedded image, or why there is none.
pub(crate) fn kernel_image(kernels: Option<&KernelFile>) -> Result<String, String> {
    if let Some(file) = kernels {
        return Ok(file.hash().to_owned());
    }
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
    let RunArguments { matrix, data, subject, kernels, .. } = arguments;
    for (option, path) in [("--matrix", matrix), ("--data", data), ("--subject", subject), ("--kernels", kernels)] {
        if let Some(path) = path {
            words += &format!(" {option} {}", quoted(&path.to_string_lossy()));
        }
    }
    words
}
