//! What ranks did together in a cell that passed.

use crate::{
    evidence::Record,
    observation::{MultiGpuFacts, Observation, Outcome},
    suites::{Joint, SuiteSettings},
    verdict::Verdict,
};

/// The facts of several ranks, and what they were told; `None` for a cell of another suite, or with another verdict.
pub(super) fn passed(record: &Record) -> Option<(&MultiGpuFacts, Joint)> {
    let Some(Outcome::Observed(observation)) = &record.outcome else { return None };
    match (&**observation, &record.cell.suite, &record.verdict) {
        (Observation::MultiGpu(facts), SuiteSettings::MultiGpu(settings), Verdict::Pass) => {
            Some((facts, settings.joint?))
        }
        _ => None,
    }
}
