//! Which changes since a release were approved: a green run says that it is green because of them.

use std::{collections::BTreeMap, fmt::Write as _};

use jiff::civil::Date;

use crate::{
    evidence::Record,
    observation::{Observation, Outcome},
    suites::{Approval, SuiteSettings},
    verdict::Verdict,
};

/// An approval: its last day, what it lets change, and why.
type Key<'a> = (Date, &'static str, &'a str);

/// A line for each approval by which cells passed, the first to expire first; empty if no cell needed any.
pub fn approvals(records: &[Record]) -> String {
    let mut used: BTreeMap<Key<'_>, u64> = BTreeMap::new();
    for record in records.iter().filter(|record| record.verdict == Verdict::Pass) {
        let SuiteSettings::BackwardCompat(settings) = &record.cell.suite else { continue };
        let Some(Outcome::Observed(observation)) = &record.outcome else { continue };
        let Observation::BackwardCompat(facts) = &**observation else { continue };
        let changes = [
            ("results", &settings.changed_results, facts.differences.is_empty()),
            ("inputs", &settings.changed_inputs, facts.regenerated_otherwise.is_empty()),
        ];
        for (what, approval, is_unchanged) in changes {
            if let (Some(Approval { reason, expires, must_be_used: _ }), false) = (approval, is_unchanged) {
                *used.entry((*expires, what, reason)).or_default() += 1;
            }
        }
    }
    let mut text = String::new();
    for ((expires, what, reason), count) in used {
        let _ = writeln!(text, "{count:>8} with other {what} than their release, approved until {expires}: {reason}");
    }
    text
}
