//! The determinism suite by its rungs: how much was compared in each way of running.

use std::collections::BTreeMap;

use super::{grid::Grid, terminal::magnitude};
use crate::{
    cell::Device,
    evidence::Record,
    observation::{Observation, Outcome},
};

/// What one rung amounts to on one device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rung {
    /// Cells that climbed it.
    pub cells: u64,
    /// Runs that were compared with a first run.
    pub runs: u64,
    /// Output elements that were compared.
    pub elements: u64,
    /// Elements whose bits differed.
    pub differing: u64,
    /// Cells that it broke.
    pub broken: u64,
}

/// The rungs of all records, by name and device. The first run is none: nothing is compared there but guards.
pub fn rungs<'a>(records: impl IntoIterator<Item = &'a Record>) -> BTreeMap<(String, Device), Rung> {
    let mut rungs: BTreeMap<(String, Device), Rung> = BTreeMap::new();
    for record in records {
        let Some(Outcome::Observed(observation)) = &record.outcome else { continue };
        let Observation::Determinism(facts) = &**observation else { continue };
        for facts in facts.rungs.iter().skip(1) {
            let rung = rungs.entry((facts.rung.clone(), record.cell.device)).or_default();
            rung.cells += 1;
            rung.runs += facts.runs;
            rung.elements += facts.elements;
            rung.differing += facts.differences.iter().map(|comparison| comparison.differing).sum::<u64>();
            rung.broken += u64::from(!facts.holds());
        }
    }
    rungs
}

/// The table of rungs; `None` if no cell climbed any.
pub fn table(rungs: &BTreeMap<(String, Device), Rung>) -> Option<Grid> {
    let mut table = Grid::new(["rung", "device", "cells", "runs", "elements", "differing", "broken"], 2..);
    for ((name, device), rung) in rungs {
        let numbers = [rung.cells, rung.runs].map(|count| count.to_string());
        let elements = [rung.elements, rung.differing, rung.broken].map(magnitude);
        table.add([name.clone(), device.to_string()].into_iter().chain(numbers).chain(elements));
    }
    table.unless_empty()
}
