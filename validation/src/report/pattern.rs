//! What the cells that failed have in common, and those that passed have not: where to look first.

use std::collections::BTreeMap;

use robocache_core::parameters::Value;

use super::grid::Grid;
use crate::{
    evidence::Record,
    observation::{Counterexample, Observation, Outcome},
    verdict::Verdict,
};

/// Fewer failures have something in common by chance.
const LEAST_FAILURES: u64 = 3;

/// Failures of more values than this are no pattern that helps, and neither are those that nearly all have one of their own.
const MOST_VALUES: usize = 4;

/// The parts of a cell's name, in their order.
const PARTS: [&str; 6] = ["suite", "operator", "device", "dtype", "problem", "input"];

/// How many cells were executed, and how many of them failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Cells without a pass.
    pub failed: u64,
    /// Cells that were not skipped.
    pub executed: u64,
}

/// A trait of cells such as their dtype, some values of which have all failures, and others none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The trait: a part of names, or an argument that is a word.
    pub of: String,
    /// The values that failures have.
    pub failing: Vec<(String, Share)>,
    /// How many values have none.
    pub others: usize,
}

/// The patterns of all failures, those of the fewest values first; none if there are too few failures to tell.
pub fn patterns<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<Pattern> {
    let mut failures = 0;
    let mut shares: BTreeMap<(usize, String), BTreeMap<String, Share>> = BTreeMap::new();
    for record in records {
        let failed = match record.verdict {
            Verdict::Skip { .. } => continue,
            Verdict::Pass => 0,
            Verdict::Fail { .. } | Verdict::Timeout { .. } | Verdict::Crash { .. } | Verdict::Error { .. } => 1,
        };
        failures += failed;
        for (of, value) in traits(record) {
            let share = shares.entry(of).or_default().entry(value).or_default();
            share.executed += 1;
            share.failed += failed;
        }
    }
    if failures < LEAST_FAILURES {
        return Vec::new();
    }
    let tells = |((_, of), values): ((usize, String), BTreeMap<String, Share>)| {
        let all = values.len();
        let failing: Vec<_> = values.into_iter().filter(|(_, share)| share.failed > 0).collect();
        let others = all - failing.len();
        // An argument that not all operators have says nothing of those without it.
        let is_whole = failing.iter().map(|(_, share)| share.failed).sum::<u64>() == failures;
        let is_few = failing.len() <= MOST_VALUES && 2 * failing.len() as u64 <= failures;
        (is_whole && is_few && others > 0).then_some(Pattern { of, failing, others })
    };
    let mut patterns: Vec<Pattern> = shares.into_iter().filter_map(tells).collect();
    patterns.sort_by_key(|pattern| pattern.failing.len());
    patterns
}

/// What an executed cell has, with places: the parts of its name, and arguments that are one of a few words. A cell that only
/// a random problem failed has that problem and its input instead of its own, which are right.
fn traits(record: &Record) -> Vec<((usize, String), String)> {
    let cell = &record.cell;
    let mut parts: Vec<&str> = cell.name.split("::").take(PARTS.len()).collect();
    if let (Some(counterexample), [_, _, _, _, problem, input]) = (counterexample(record), &mut *parts) {
        (*problem, *input) = (&counterexample.problem, &counterexample.distribution);
    }
    let parts = PARTS.into_iter().enumerate().zip(parts);
    let words = cell.parameters.iter().filter_map(|(of, value)| match value {
        Value::Word(word) => Some(((PARTS.len(), of), word.as_str())),
        Value::Integer(_) | Value::Number(_) | Value::List(_) => None,
    });
    parts.chain(words).map(|((place, of), value)| ((place, of.to_owned()), value.to_owned())).collect()
}

fn counterexample(record: &Record) -> Option<&Counterexample> {
    let Some(Outcome::Observed(observation)) = &record.outcome else { return None };
    let Observation::Accuracy(facts) = &**observation else { return None };
    facts.counterexample.as_deref()
}

/// The table of patterns; `None` if there are none.
pub fn table(patterns: &[Pattern]) -> Option<Grid> {
    let mut table = Grid::new(["all failures have", "value", "failed", "of", "values without a failure"], 2..);
    for Pattern { of, failing, others } in patterns {
        for (value, Share { failed, executed }) in failing {
            table.add([of, value, &failed.to_string(), &executed.to_string(), &others.to_string()]);
        }
    }
    table.unless_empty()
}
