//! Bus bandwidths of collectives: what nccl-tests calls `busbw`.

use std::collections::{BTreeMap, BTreeSet};

use super::{grid::Grid, joint::passed};
use crate::{evidence::Record, observation::MultiGpuFacts, suites::Joint};

/// What is timed: a collective on blocks of a size.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimedKey {
    /// The collective.
    pub collective: String,
    /// `cpu` or `cuda`.
    pub device: String,
    /// The type of the elements.
    pub dtype: String,
    /// Bytes of a block.
    pub block_bytes: u64,
}

/// Bytes a second over the bus, by the number of ranks.
pub type ByWorld = BTreeMap<usize, f64>;

/// The bandwidths of all records whose collectives were timed and right: a time of wrong results is no time.
pub fn bandwidths<'a>(records: impl IntoIterator<Item = &'a Record>) -> BTreeMap<TimedKey, ByWorld> {
    let mut rows: BTreeMap<TimedKey, ByWorld> = BTreeMap::new();
    for record in records {
        let Some((key, world, bus)) = bandwidth(record) else { continue };
        rows.entry(key).or_default().insert(world, bus);
    }
    rows
}

fn bandwidth(record: &Record) -> Option<(TimedKey, usize, f64)> {
    let (MultiGpuFacts::Collective(facts), Joint { world, task }) = passed(record)? else { return None };
    let block = task.block()?;
    let key = TimedKey {
        collective: record.cell.operator.clone(),
        device: record.cell.device.to_string(),
        dtype: record.cell.dtype.to_string(),
        block_bytes: (block * record.cell.dtype.size_bytes()) as u64,
    };
    Some((key, world, facts.bandwidth?.bus))
}

/// The table of bandwidths; `None` if nothing was timed.
pub fn table(rows: &BTreeMap<TimedKey, ByWorld>) -> Option<Grid> {
    let worlds: BTreeSet<usize> = rows.values().flat_map(|by_world| by_world.keys().copied()).collect();
    let heads = ["bus GB/s of", "device", "dtype", "block MiB"].map(str::to_owned).into_iter();
    let mut table = Grid::new(heads.chain(worlds.iter().map(|world| format!("{world} ranks"))), 3..);
    for (key, by_world) in rows {
        let TimedKey { collective, device, dtype, block_bytes } = key;
        let mebibytes = *block_bytes as f64 / f64::from(1 << 20);
        let names = [collective.clone(), device.clone(), dtype.clone(), mebibytes.to_string()];
        let of_world = |world| by_world.get(world).map_or("-".to_owned(), |bus| format!("{:.1}", bus / 1e9));
        table.add(names.into_iter().chain(worlds.iter().map(of_world)));
    }
    table.unless_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_a_column_for_every_number_of_ranks() {
        let key = |collective: &str| TimedKey {
            collective: collective.to_owned(),
            device: "cuda".to_owned(),
            dtype: "f32".to_owned(),
            block_bytes: 64 << 20,
        };
        let rows = BTreeMap::from([
            (key("all_gather"), ByWorld::from([(2, 312.34e9), (4, 300e9)])),
            (key("broadcast"), ByWorld::from([(4, 250.06e9)])),
        ]);
        let table = table(&rows).unwrap().framed();
        let cells = |line: &str| line.split(['│', '┆']).map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        let lines: Vec<_> = table.lines().map(cells).filter(|cells| cells.len() == 8).collect();
        assert_eq!(lines[0][1..7], ["bus GB/s of", "device", "dtype", "block MiB", "2 ranks", "4 ranks"]);
        assert_eq!(lines[1][1..7], ["all_gather", "cuda", "f32", "64", "312.3", "300.0"]);
        assert_eq!(lines[2][1..7], ["broadcast", "cuda", "f32", "64", "-", "250.1"]);
        assert_eq!(super::table(&BTreeMap::new()), None);
    }
}
