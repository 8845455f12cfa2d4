//! The launch_count suite by operator: what one call costs in launches.

use std::collections::BTreeMap;

use super::grid::Grid;
use crate::{
    evidence::Record,
    observation::{Observation, Outcome},
};

/// What one call does, as an eager call was recorded. Cells that do the same are one row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallKey {
    /// The operator.
    pub operator: String,
    /// Launches of kernels.
    pub kernels: usize,
    /// Copies.
    pub copies: usize,
    /// Memsets.
    pub memsets: usize,
    /// API calls that allocate or free memory.
    pub allocations: usize,
    /// API calls that wait for the GPU.
    pub synchronisations: usize,
}

/// The cells of one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// How many there are.
    pub cells: u64,
    /// How many of them failed.
    pub failed: u64,
}

/// The calls of all records that counted one.
pub fn calls<'a>(records: impl IntoIterator<Item = &'a Record>) -> BTreeMap<CallKey, Calls> {
    let mut calls: BTreeMap<CallKey, Calls> = BTreeMap::new();
    for record in records {
        let Some(Outcome::Observed(observation)) = &record.outcome else { continue };
        let Observation::LaunchCount(facts) = &**observation else { continue };
        let eager = &facts.census.eager;
        let key = CallKey {
            operator: record.cell.operator.clone(),
            kernels: eager.kernels.len(),
            copies: eager.copies.len(),
            memsets: eager.memsets.len(),
            allocations: eager.allocations.len(),
            synchronisations: eager.synchronisations.len(),
        };
        let row = calls.entry(key).or_default();
        row.cells += 1;
        row.failed += u64::from(record.verdict.is_failure());
    }
    calls
}

/// The table of calls; `None` if no launch was counted.
pub fn table(calls: &BTreeMap<CallKey, Calls>) -> Option<Grid> {
    let heads = ["one call of", "kernels", "copies", "memsets", "allocations", "waits", "cells", "failed"];
    let mut table = Grid::new(heads, 1..);
    for (key, row) in calls {
        let counts = [key.kernels, key.copies, key.memsets, key.allocations, key.synchronisations];
        let counts = counts.map(|count| count.to_string()).into_iter();
        let cells = [row.cells, row.failed].map(|count| count.to_string());
        table.add([key.operator.clone()].into_iter().chain(counts).chain(cells));
    }
    table.unless_empty()
}
