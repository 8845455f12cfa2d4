//! The accuracy suite: results held against what the definition says they must be.

use robocache_core::registry::Registry;

use super::{
    AccuracySettings, SuiteSettings, device::during, measurement::measure, prepare::Prepared, random_problem,
    witness::Witness,
};
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
) -> Result<(AccuracyFacts, Option<Witness>), OperatorFailure> {
    let measured = measure(cell.device, &*prepared.problem, &prepared.inputs).map_err(during("accuracy"))?;
    if !measured.facts.holds() {
        let facts = measured.facts.clone();
        let (expected, actual) = measured.into_tensors();
        let suite = Some(SuiteSettings::Accuracy(AccuracySettings { random_problems: 0 }));
        return Ok((facts, Some(Witness { suite, expected, actual, ..Witness::default() })));
    }
    let mut facts = measured.facts;
    let mut witness = None;
    // Problems of random extents vary a generated problem; a recording is what it is.
    let varied = match cell.input {
        Input::Generated(_) => settings.random_problems,
        Input::Recorded(_) | Input::Golden(_) | Input::Pattern => 0,
    };
    if varied > 0 {
        facts.random_problems = varied;
        if let Some((counterexample, found)) = random_problem::search(registry, cell, varied)? {
            facts.counterexample = Some(Box::new(counterexample));
            witness = Some(found);
        }
    }
    Ok((facts, witness))
}
