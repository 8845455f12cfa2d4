//! What people read of a comparison.

use std::fmt::Write as _;

use super::{
    Decision, Estimate, Unit,
    record::{Conclusion, GateRecord},
};
use crate::report::grid::Grid;

/// The table of units, and one line that says how it ends.
pub fn text(record: &GateRecord) -> String {
    let level = record.design.level_of_look();
    let mut table = Grid::new(["cell", "series", "time", "bounds", "A/A", "rounds", "decision"], 2..=5);
    for unit in &record.units {
        let (time, bounds, control) = match &unit.judgement {
            Some(judgement) => {
                (change(judgement.ratio.ratio()), bounds(&judgement.ratio, level), change(judgement.control.ratio()))
            }
            None => ("-".to_owned(), "-".to_owned(), "-".to_owned()),
        };
        let decision = unit.decision().map_or_else(String::new, |decision| decision.to_string());
        let rounds = unit.rounds.len().to_string();
        table.add([unit.cell.clone(), unit.series.to_string(), time, bounds, control, rounds, decision]);
    }
    let mut text = table.framed() + "\n";
    for unit in &record.units {
        if let Some(failure) = &unit.failure {
            let _ = writeln!(text, "{} ({}): {failure}", unit.cell, unit.series);
        }
    }
    let count = |wanted: &dyn Fn(Decision) -> bool| {
        record.units.iter().filter_map(Unit::decision).filter(|&decision| wanted(decision)).count()
    };
    let regressions = count(&|decision| decision == Decision::Regression);
    let ambiguous = count(&|decision| matches!(decision, Decision::Ambiguous(_)));
    let units = record.units.len();
    let (margin, resolution) = (percent(record.design.margin), percent(record.design.resolution));
    let _ = match record.conclusion {
        Conclusion::Regression => {
            write!(text, "REGRESSION: {regressions} of {units} are slower by more than {margin}, {ambiguous} ambiguous")
        }
        Conclusion::Ambiguous => write!(
            text,
            "AMBIGUOUS: nothing is slower by more than {margin} for certain, but of {ambiguous} of {units} a slow-down of \
             {resolution} cannot be excluded; measure again when the machine is quiet"
        ),
        Conclusion::NoRegression => write!(text, "NO REGRESSION: none of {units} is slower by {resolution} or more"),
    };
    text
}

/// A fraction as people write it; four digits behind the point are more than any measurement has.
fn percent(fraction: f64) -> String {
    format!("{} %", (1e6 * fraction).round() / 1e4)
}

/// A ratio as people write a change.
fn change(ratio: f64) -> String {
    format!("{:+.2} %", 100.0 * (ratio - 1.0))
}

fn bounds(estimate: &Estimate, level: f64) -> String {
    format!("{} to {}", change(estimate.lower_bound(level)), change(estimate.upper_bound(level)))
}
