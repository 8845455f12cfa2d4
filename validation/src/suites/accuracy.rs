//! The accuracy suite: results held against what the definition says they must be.

use robocache_core::registry::Registry;

use super::{AccuracySettings, device::during, measurement::measure, prepare::Prepared, random_problem};
use crate::{
    cell::{Cell, Input},
    observation::{AccuracyFacts, OperatorFailure},
};

/// Measures the cell's own problem, then as many of random extents as the settings ask for.
pub(super) fn observe(
    registry: &Registry,
    cell: &Cell,
    settings: &AccuracySettings,
    prepared: &Prepared,
) -> Result<AccuracyFacts, OperatorFailure> {
    let mut facts = measure(cell.device, &*prepared.problem, &prepared.inputs).map_err(during("accuracy"))?;
    // Problems of random extents vary a generated problem; a recording is what it is.
    let varied = match cell.input {
        Input::Generated(_) => settings.random_problems,
        Input::Recorded(_) | Input::Golden(_) => 0,
    };
    if facts.holds() && varied > 0 {
        facts.random_problems = varied;
        facts.counterexample = random_problem::search(registry, cell, varied)?.map(Box::new);
    }
    Ok(facts)
}
