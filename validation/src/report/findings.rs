//! The tables of what suites found besides verdicts.

use super::{bandwidth, grid::Grid, ladder, launches, losses, performance};
use crate::evidence::Record;

/// A table for each suite that has one of these records, with its heading.
pub(super) fn findings(records: &[Record]) -> impl Iterator<Item = (&'static str, Grid)> {
    [
        ("Repetitions", ladder::table(&ladder::rungs(records))),
        ("Launches", launches::table(&launches::calls(records))),
        ("Bus bandwidth", bandwidth::table(&bandwidth::bandwidths(records))),
        ("Lost ranks", losses::table(&losses::losses(records))),
        ("Times", performance::table(&performance::rows(records))),
    ]
    .into_iter()
    .filter_map(|(heading, table)| Some((heading, table?)))
}
