//! The tables of what a run found besides verdicts.

use super::{bandwidth, grid::Grid, ladder, launches, losses, pattern, performance};
use crate::evidence::Record;

/// What failures have in common, if anything, and a table for each suite that has one of these records; with headings.
pub(super) fn findings(records: &[Record]) -> impl Iterator<Item = (&'static str, Grid)> {
    [
        ("Pattern of the failures", pattern::table(&pattern::patterns(records))),
        ("Repetitions", ladder::table(&ladder::rungs(records))),
        ("Launches", launches::table(&launches::calls(records))),
        ("Bus bandwidth", bandwidth::table(&bandwidth::bandwidths(records))),
        ("Lost ranks", losses::table(&losses::losses(records))),
        ("Times", performance::table(&performance::rows(records))),
    ]
    .into_iter()
    .filter_map(|(heading, table)| Some((heading, table?)))
}
