//! The door of the suites.

use std::{borrow::Cow, time::Duration};

use robocache_core::registry::Registry;

use super::{
    SuiteSettings, accuracy, backward_compat, determinism,
    device::{hashes, run_once},
    launch_count, multi_gpu, performance,
    prepare::{Prepared, Unprepared, prepare},
    witness::{Witness, nearest},
};
use crate::{
    bundle::{Exhibit, show},
    cell::Cell,
    dataset::Expectation,
    observation::{GoldenFacts, LaunchFacts, Observation, OutputHashes, PerformanceFacts},
    protocol::Attached,
    worker::{digest_in_fresh_process, without_memory_limit},
};

/// Executes a cell, and leaves an exhibit where something is wrong with its outputs. The error says why this program
/// cannot: the harness is at fault then, not the operator.
pub fn execute(registry: &Registry, cell: &Cell, attached: &Attached) -> Result<Observation, String> {
    if let SuiteSettings::MultiGpu(settings) = &cell.suite {
        // What ranks are fed is made by themselves, from the seed.
        return multi_gpu::observe(cell, settings).map(|facts| Observation::MultiGpu(facts.into()));
    }
    let prepared = match prepare(registry, cell, attached) {
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
            let fresh = || digest_in_fresh_process(cell, attached, deadline).map_err(|error| error.to_string());
            determinism::observe(cell, settings, &prepared, &fresh)
                .map(|(facts, witness)| (Observation::Determinism(facts), witness))
        }
        SuiteSettings::Accuracy(settings) => accuracy::observe(registry, cell, settings, &prepared)
            .map(|(facts, witness)| (Observation::Accuracy(facts.into()), witness)),
        // What these two find has no outputs to show, only the inputs that draw it.
        SuiteSettings::LaunchCount(budget) => launch_count::observe(cell, &prepared)?.map(|facts: LaunchFacts| {
            let witness = (!facts.defects(budget).is_empty()).then(Witness::default);
            (Observation::LaunchCount(facts.into()), witness)
        }),
        SuiteSettings::BackwardCompat(settings) => match &prepared.left {
            Some(left) => backward_compat::observe(cell, settings, &prepared, left)
                .map(|(facts, witness)| (Observation::BackwardCompat(facts.into()), witness)),
            None => return Err("a cell of a golden came without one".to_owned()),
        },
        SuiteSettings::MultiGpu(_) => return Err("ranks take no prepared inputs".to_owned()),
        SuiteSettings::Performance(settings) => {
            performance::observe(cell, settings, &prepared).map(|facts: PerformanceFacts| {
                let witness = facts.wrong_output.is_some().then(Witness::default);
                (Observation::Performance(facts.into()), witness)
            })
        }
    };
    Ok(match observation {
        Ok((observation, witness)) => {
            let accepted = match cell.expect {
                Expectation::Accepted => None,
                // That it came so far is what is wrong.
                Expectation::Rejected(_) => Some(Witness::default()),
            };
            if let (Some(witness), Some(path)) = (witness.or(accepted), &attached.exhibit) {
                // Without an exhibit the failure is still known; its bundle then has no tensors.
                let _ = without_memory_limit(cell.limits, || witness.show(cell, &prepared, path));
            }
            observation
        }
        Err(failure) => Observation::OperatorFailed(failure),
    })
}

/// Shows the inputs of a cell, and then what its outputs must be, without running the code under test.
pub fn exhibit(registry: &Registry, cell: &Cell, attached: &Attached) -> Result<(), String> {
    if let SuiteSettings::MultiGpu(_) = cell.suite {
        return Err("the seed gives the data of ranks back".to_owned());
    }
    let Prepared { problem, inputs, parameters, left } =
        prepare(registry, cell, attached).map_err(Unprepared::into_message)?;
    let Some(path) = &attached.exhibit else { return Err("it was not said where to leave the exhibit".to_owned()) };
    let replay = Cell { parameters, ..cell.clone() };
    let shown = |expected| {
        let exhibit =
            Exhibit { replay: Cow::Borrowed(&replay), inputs: Cow::Borrowed(&inputs), expected, actual: Vec::new() };
        show(&exhibit, path).map_err(|error| error.to_string())
    };
    if let Some(left) = left {
        return shown(left.results);
    }
    // The reference is the operator's too, and may take its time.
    shown(Vec::new())?;
    shown(nearest(problem.reference(&inputs), problem.outputs()))
}

/// Runs a cell plainly once. The error says why there are no outputs.
pub fn digest(registry: &Registry, cell: &Cell, attached: &Attached) -> Result<OutputHashes, String> {
    let prepared = prepare(registry, cell, attached).map_err(Unprepared::into_message)?;
    run_once(cell.device, &*prepared.problem, &prepared.inputs)
        .map(|outcome| hashes(&outcome.outputs))
        .map_err(|error| error.to_string())
}
