//! The points of one tile, gathered by cell.

use std::iter;

use super::partition::{Entry, Partition};

/// Cells of a word of the bitmap.
const WORD: usize = u64::BITS as usize;

/// Points of one tile sorted by cell. The memory is reused from tile to tile.
#[derive(Default)]
pub(super) struct Tile {
    /// The cells in which there are points. Most cells of a cloud are empty, and are passed over 64 at a time.
    occupied: Vec<u64>,
    /// For each occupied cell, one past the place of its last point in `points`.
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
        let Self { occupied, ends, points } = self;
        occupied.clear();
        occupied.resize(cells.div_ceil(WORD), 0);
        ends.clear();
        ends.resize(cells, 0);
        for entry in entries() {
            let cell = entry.cell as usize;
            occupied[cell / WORD] |= 1 << (cell % WORD);
            ends[cell] += 1;
        }
        let mut total = 0;
        for cell in ones(occupied) {
            total += std::mem::replace(&mut ends[cell], total);
        }
        points.resize(total as usize, 0);
        let fetched = total as usize <= most_fetched;
        for &Entry { cell, point } in entries() {
            if fetched {
                fetch(point);
            }
            let next = &mut ends[cell as usize];
            points[*next as usize] = point;
            *next += 1;
        }
    }

    /// The occupied cells and their points, in the order of the cells.
    #[inline(always)]
    pub(super) fn occupied(&self) -> impl Iterator<Item = (usize, &[u32])> {
        let mut start = 0;
        ones(&self.occupied).map(move |cell| {
            let end = self.ends[cell] as usize;
            (cell, &self.points[std::mem::replace(&mut start, end)..end])
        })
    }
}

/// The places of the bits that are set, ascending.
#[inline(always)]
fn ones(words: &[u64]) -> impl Iterator<Item = usize> {
    words.iter().enumerate().filter(|&(_, &word)| word != 0).flat_map(|(index, &word)| {
        let rests = iter::successors(Some(word), |rest| Some(rest & (rest - 1)).filter(|&rest| rest != 0));
        rests.map(move |rest| index * WORD + rest.trailing_zeros() as usize)
    })
}
