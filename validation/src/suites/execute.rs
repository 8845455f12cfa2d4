//! The door of the suites.

use std::time::Duration;

use robocache_core::registry::Registry;

use super::{
    SuiteSettings, accuracy, backward_compat, determinism,
    device::{hashes, run_once},
    launch_count, performance,
    prepare::{Unprepared, prepare},
};
use crate::{
    cell::Cell,
    observation::{GoldenFacts, Observation, OutputHashes},
    protocol::Recording,
    worker::digest_in_fresh_process,
};

/// Executes a cell. The error says why this program cannot: the harness is at fault then, not the operator.
pub fn execute(registry: &Registry, cell: &Cell, recording: Option<&Recording>) -> Result<Observation, String> {
    let prepared = match prepare(registry, cell, recording) {
        Ok(prepared) => prepared,
        Err(Unprepared::Rejected { kind, message }) => return Ok(Observation::InputRejected { kind, message }),
        Err(Unprepared::Incompatible(reason)) => {
            let facts = GoldenFacts { incompatible: Some(reason), ..GoldenFacts::default() };
            return Ok(Observation::BackwardCompat(facts.into()));
        }
        Err(Unprepared::Impossible(reason)) => return Err(reason),
    };
    let observation = match &cell.suite {
        SuiteSettings::Determinism(settings) => {
            let deadline = Duration::from_millis(cell.limits.deadline_ms);
            let fresh = || digest_in_fresh_process(cell, recording, deadline).map_err(|error| error.to_string());
            determinism::observe(cell, settings, &prepared, &fresh).map(Observation::Determinism)
        }
        SuiteSettings::Accuracy(settings) => {
            accuracy::observe(registry, cell, settings, &prepared).map(|facts| Observation::Accuracy(facts.into()))
        }
        SuiteSettings::LaunchCount(_) => {
            launch_count::observe(cell, &prepared)?.map(|facts| Observation::LaunchCount(facts.into()))
        }
        SuiteSettings::BackwardCompat(_) => match &prepared.left {
            Some(left) => {
                backward_compat::observe(cell, &prepared, left).map(|facts| Observation::BackwardCompat(facts.into()))
            }
            None => return Err("a cell of a golden came without one".to_owned()),
        },
        SuiteSettings::Performance(settings) => {
            performance::observe(cell, settings, &prepared).map(|facts| Observation::Performance(facts.into()))
        }
    };
    Ok(observation.unwrap_or_else(Observation::OperatorFailed))
}

/// Runs a cell plainly once. The error says why there are no outputs.
pub fn digest(registry: &Registry, cell: &Cell, recording: Option<&Recording>) -> Result<OutputHashes, String> {
    let prepared = prepare(registry, cell, recording).map_err(Unprepared::into_message)?;
    run_once(cell.device, &*prepared.problem, &prepared.inputs)
        .map(|outcome| hashes(&outcome.outputs))
        .map_err(|error| error.to_string())
}
