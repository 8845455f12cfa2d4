//! Times, beside the copies that were made between the calls.

use super::grid::Grid;
use crate::{
    cell::{Cell, Device},
    evidence::Record,
    observation::{Observation, Outcome, RatioFacts, SeriesFacts},
    suites::SuiteSettings,
};

/// One series of one cell.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The cell.
    pub cell: &'a Cell,
    /// The bytes that a call must move.
    pub bytes_moved: u64,
    /// What was measured.
    pub facts: &'a SeriesFacts,
    /// The strictest threshold for it.
    pub limit: Option<f64>,
}

/// Every series that has samples: by operator, the GPU first, then in the order of the records.
pub fn rows(records: &[Record]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = records.iter().flat_map(rows_of).collect();
    let order = |row: &Row<'_>| match row.cell.device {
        Device::Cuda => 0,
        Device::Cpu => 1,
    };
    rows.sort_by(|left, right| {
        left.cell.operator.cmp(&right.cell.operator).then_with(|| order(left).cmp(&order(right)))
    });
    rows
}

fn rows_of(record: &Record) -> Vec<Row<'_>> {
    let Some(Outcome::Observed(observation)) = &record.outcome else { return Vec::new() };
    let (Observation::Performance(facts), SuiteSettings::Performance(settings)) = (&**observation, &record.cell.suite)
    else {
        return Vec::new();
    };
    // A time of wrong results is no time.
    let measured = facts.series.iter().filter(|series| series.samples > 0 && facts.wrong_output.is_none());
    measured
        .map(|series| {
            let limits = settings.thresholds.iter().filter(|threshold| threshold.series == series.series);
            Row {
                cell: &record.cell,
                bytes_moved: facts.bytes_moved,
                facts: series,
                limit: limits.map(|threshold| threshold.at_most_of_copy).reduce(f64::min),
            }
        })
        .collect()
}

/// The heads of [`Row::columns`].
pub const HEADS: [&str; 11] =
    ["operator", "device", "dtype", "problem", "series", "us", "GB/s", "copy us", "x copy", "limit", "noise"];

impl Row<'_> {
    /// What people read of it.
    pub fn columns(&self) -> [String; HEADS.len()] {
        let Row { cell, facts, limit, .. } = self;
        let RatioFacts { median, .. } = facts.ratio;
        [
            cell.operator.clone(),
            cell.device.to_string(),
            cell.dtype.to_string(),
            problem(cell),
            facts.series.to_string(),
            microseconds(facts.median_seconds),
            format!("{:.1}", facts.bytes_per_second / 1e9),
            microseconds(facts.copy_seconds),
            format!("{median:.3} ±{:.3}", facts.ratio.reach() * median),
            limit.map_or("-".to_owned(), |limit| limit.to_string()),
            format!("{:.1} %", 1e2 * facts.noise),
        ]
    }
}

/// The problem's part of a cell's name, and its input unless that is uniform.
pub fn problem(cell: &Cell) -> String {
    let problem = cell.name.split("::").nth(4).unwrap_or(&cell.name);
    match cell.input.to_string().as_str() {
        "uniform" => problem.to_owned(),
        input => format!("{problem} {input}"),
    }
}

/// Microseconds with four significant digits.
fn microseconds(seconds: f64) -> String {
    let microseconds = 1e6 * seconds;
    let digits = match microseconds {
        // Where the digits that are left round to.
        ..9.9995 => 3,
        9.9995..99.995 => 2,
        99.995..999.95 => 1,
        _ => 0,
    };
    format!("{microseconds:.digits$}")
}

/// The table of all rows; `None` if there is none.
pub fn table(rows: &[Row<'_>]) -> Option<Grid> {
    let mut table = Grid::new(HEADS, 5..);
    for row in rows {
        table.add(row.columns());
    }
    table.unless_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_four_digits() {
        assert_eq!([1.2345e-6, 12.346e-6, 123.46e-6].map(microseconds), ["1.234", "12.35", "123.5"]);
        assert_eq!([9.9999e-6, 99.999e-6, 999.99e-6].map(microseconds), ["10.00", "100.0", "1000"]);
    }
}
