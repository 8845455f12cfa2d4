//! What is compared: one way of calling one cell.

use robocache_core::timing::Series;
use serde::{Deserialize, Serialize};

use super::{
    Design,
    statistics::{self, Decision, Doubt, Judgement, Round, Settled},
};
use crate::cell::Device;

/// A cell, a series, and what was measured of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unit {
    /// The cell's name.
    pub cell: String,
    /// Where it runs.
    pub device: Device,
    /// What was called, and what the caches held.
    pub series: Series,
    /// What follows from the rounds; `None` as long as there is none.
    pub judgement: Option<Judgement>,
    /// Why it could not be measured to the end.
    pub failure: Option<String>,
    /// Everything that was measured.
    pub rounds: Vec<Round>,
}

impl Unit {
    /// Nothing measured yet.
    pub(super) const fn new(cell: String, device: Device, series: Series) -> Self {
        Self { cell, device, series, judgement: None, failure: None, rounds: Vec::new() }
    }

    /// What is concluded, once there is a conclusion.
    pub fn decision(&self) -> Option<Decision> {
        if self.failure.is_some() {
            return Some(Decision::Ambiguous(Doubt::NotMeasured));
        }
        self.judgement.and_then(|judgement| judgement.decision)
    }
}

/// Judges all units after look number `look`, by the rounds that belong to it.
pub(super) fn judge(units: &mut [Unit], design: &Design, look: usize) {
    let measured: Vec<usize> = (0..units.len()).filter(|&index| units[index].failure.is_none()).collect();
    let names: Vec<String> =
        measured.iter().map(|&index| format!("{}::{}", units[index].cell, units[index].series)).collect();
    let questions: Vec<(&str, &[Round], Settled)> = measured
        .iter()
        .zip(&names)
        .map(|(&index, name)| {
            let unit = &units[index];
            let due = design.rounds(unit.device).get(look).copied().unwrap_or(usize::MAX);
            let settled = unit.decision().map_or(Settled::No, Settled::Yes);
            (name.as_str(), &unit.rounds[..due.min(unit.rounds.len())], settled)
        })
        .collect();
    let judgements = statistics::judge(&questions, design, look + 1 == design.looks());
    for (index, judgement) in measured.into_iter().zip(judgements) {
        units[index].judgement = Some(judgement);
    }
}
