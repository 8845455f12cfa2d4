//! The points of one tile, gathered by cell.

use super::partition::{Entry, Partition};

/// Points of one tile sorted by cell. The memory is reused from tile to tile.
#[derive(Default)]
pub(super) struct Tile {
    /// For each cell, one past the place of its last point in `points`.
    ends: Vec<u32>,
    /// All points by cell, ascending in each cell.
    points: Vec<u32>,
}

impl Tile {
    /// Counting sort of `tile`, which has `cells` cells. Each point is announced to `fetch` if there are no more than
    /// `most_fetched`.
    pub(super) fn sort(
        &mut self,
        partition: &Partition,
        tile: usize,
        cells: usize,
        most_fetched: usize,
        fetch: impl Fn(u32),
    ) {
        let entries = || partition.tile(tile).flatten();
        self.ends.clear();
        self.ends.resize(cells, 0);
        let mut total = 0;
        for entry in entries() {
            self.ends[entry.cell as usize] += 1;
            total += 1;
        }
        let mut start = 0;
        for end in &mut self.ends {
            start += std::mem::replace(end, start);
        }
        self.points.resize(total, 0);
        for &Entry { cell, point } in entries() {
            let next = &mut self.ends[cell as usize];
            if total <= most_fetched {
                fetch(point);
            }
            self.points[*next as usize] = point;
            *next += 1;
        }
    }

    /// Points of each cell, in the order of the cells.
    pub(super) fn cells(&self) -> impl Iterator<Item = &[u32]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let points = &self.points[start..end as usize];
            start = end as usize;
            points
        })
    }
}
