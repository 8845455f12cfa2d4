//! Lost ranks: how long the others took to name them.

use std::collections::{BTreeMap, BTreeSet};

use super::{grid::Grid, joint::passed};
use crate::{
    evidence::Record,
    observation::MultiGpuFacts,
    suites::{Joint, Task},
};

/// What befalls a rank: the fault's name, and `cpu` or `cuda`.
pub type LossKey = (String, String);

/// The cells of one fault and number of ranks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Losses {
    /// How many passed.
    pub cells: u64,
    /// Seconds that the slowest survivor of them all took to say which rank was lost.
    pub slowest_seconds: f64,
}

/// The faults of all records that passed, by the number of ranks.
pub fn losses<'a>(records: impl IntoIterator<Item = &'a Record>) -> BTreeMap<LossKey, BTreeMap<usize, Losses>> {
    let mut rows: BTreeMap<LossKey, BTreeMap<usize, Losses>> = BTreeMap::new();
    for record in records {
        let Some((key, world, seconds)) = slowest(record) else { continue };
        let losses = rows.entry(key).or_default().entry(world).or_default();
        losses.cells += 1;
        losses.slowest_seconds = losses.slowest_seconds.max(seconds);
    }
    rows
}

fn slowest(record: &Record) -> Option<(LossKey, usize, f64)> {
    let (MultiGpuFacts::Fault(facts), Joint { world, task: Task::Fault { fault, .. } }) = passed(record)? else {
        return None;
    };
    let seconds = facts.survivors.iter().map(|survivor| survivor.seconds).reduce(f64::max)?;
    Some(((fault.to_string(), record.cell.device.to_string()), world, seconds))
}

/// The table of lost ranks; `None` if none was lost.
pub fn table(rows: &BTreeMap<LossKey, BTreeMap<usize, Losses>>) -> Option<Grid> {
    let worlds: BTreeSet<usize> = rows.values().flat_map(|by_world| by_world.keys().copied()).collect();
    let heads = ["lost rank, named by all others", "device", "cells"].map(str::to_owned).into_iter();
    let mut table = Grid::new(heads.chain(worlds.iter().map(|world| format!("{world} ranks"))), 2..);
    for ((fault, device), by_world) in rows {
        let cells: u64 = by_world.values().map(|losses| losses.cells).sum();
        let names = [fault.clone(), device.clone(), cells.to_string()];
        let of_world = |world| {
            by_world.get(world).map_or("-".to_owned(), |losses| format!("within {:.2} s", losses.slowest_seconds))
        };
        table.add(names.into_iter().chain(worlds.iter().map(of_world)));
    }
    table.unless_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_slowest_survivor_for_every_number_of_ranks() {
        let key = |fault: &str| (fault.to_owned(), "cuda".to_owned());
        let rows = BTreeMap::from([
            (key("killed_inside"), BTreeMap::from([(2, Losses { cells: 3, slowest_seconds: 0.714 })])),
            (key("stopped_inside"), BTreeMap::from([(4, Losses { cells: 3, slowest_seconds: 3.2 })])),
        ]);
        let table = table(&rows).unwrap().framed();
        let cells = |line: &str| line.split(['│', '┆']).map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        let lines: Vec<_> = table.lines().map(cells).filter(|cells| cells.len() == 7).collect();
        assert_eq!(lines[0][1..6], ["lost rank, named by all others", "device", "cells", "2 ranks", "4 ranks"]);
        assert_eq!(lines[1][1..6], ["killed_inside", "cuda", "3", "within 0.71 s", "-"]);
        assert_eq!(lines[2][1..6], ["stopped_inside", "cuda", "3", "-", "within 3.20 s"]);
        assert_eq!(super::table(&BTreeMap::new()), None);
    }
}
