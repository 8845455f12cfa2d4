//! The accuracy suite: results held against what the definition says they must be.

use robocache_core::registry::Registry;

use super::{AccuracySettings, device::during, measurement::measure, prepare::Prepared, random_problem};
use crate::{
    cell::Cell,
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
    if facts.holds() && settings.random_problems > 0 {
        facts.random_problems = settings.random_problems;
        facts.counterexample = random_problem::search(registry, cell, settings.random_problems)?.map(Box::new);
    }
    Ok(facts)
}
