//! The door of the suites.

use robocache_core::{registry::Registry, tensor::HostTensor};

use super::{
    SuiteSettings, accuracy, determinism,
    device::{during, run_once},
    prepare::prepare,
};
use crate::{
    cell::Cell,
    observation::{Observation, OutputHashes},
    protocol::{Recording, Response},
};

/// What the suites need of the process around them.
pub struct Context<'a> {
    /// The operators.
    pub registry: &'a Registry,
    /// Runs a cell plainly in a process of its own and gives its output hashes, or why that failed.
    pub digest_in_fresh_process: &'a dyn Fn(&Cell, Option<&Recording>) -> Result<OutputHashes, String>,
}

/// Executes a cell.
pub fn execute(context: &Context<'_>, cell: &Cell, recording: Option<&Recording>) -> Response {
    let prepared = match prepare(context.registry, cell, recording) {
        Ok(prepared) => prepared,
        Err(response) => return response,
    };
    let observation = match &cell.suite {
        SuiteSettings::Determinism(settings) => {
            let fresh = || (context.digest_in_fresh_process)(cell, recording);
            determinism::observe(cell, settings, &prepared, &fresh).map(Observation::Determinism)
        }
        SuiteSettings::Accuracy(settings) => {
            accuracy::observe(context.registry, cell, settings, &prepared).map(|facts| Observation::Accuracy(facts.into()))
        }
    };
    Response::Observed(Box::new(observation.unwrap_or_else(Observation::OperatorFailed)))
}

/// Runs a cell plainly once.
pub fn digest(registry: &Registry, cell: &Cell, recording: Option<&Recording>) -> Response {
    let prepared = match prepare(registry, cell, recording) {
        Ok(prepared) => prepared,
        Err(response) => return response,
    };
    match run_once(cell.device, &*prepared.problem, &prepared.inputs).map_err(during("digest")) {
        Ok(outcome) => Response::Digest(hashes(&outcome.outputs)),
        Err(failure) => Response::Observed(Box::new(Observation::OperatorFailed(failure))),
    }
}

/// BLAKE3 of each output by its name.
pub(super) fn hashes(outputs: &[HostTensor]) -> OutputHashes {
    outputs.iter().map(|output| (output.name().to_owned(), output.hash().to_hex().to_string())).collect()
}
