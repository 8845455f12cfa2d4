//! Points sorted by the part of the grid in which they lie.
//!
//! The grid is cut into tiles of consecutive cells. Points are sorted by tile in chunks that fit a core's L2, each
//! chunk on its own: no thread waits for another, and every write goes to memory that the thread has in its cache. A
//! tile's points are then the segments that all chunks hold of it.

use super::cells::Cells;
use crate::cpu::{CpuOptions, pool};

/// Points of a chunk, unless there would be more than [`MOST_CHUNKS`].
const CHUNK_POINTS: usize = 32 << 10;

/// Chunks: each costs a table of tiles.
const MOST_CHUNKS: usize = 256;

/// Most tiles of a grid, however large: with more, sorting a chunk by tile misses the caches.
const MOST_TILES: usize = 4096;

/// Fewest tiles of a grid with as many cells, so that no thread runs out of work early.
const ENOUGH_TILES: usize = 64;

/// A point of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(C)]
pub(super) struct Entry {
    /// The cell, counted from the tile's first.
    pub(super) cell: u32,
    /// The point.
    pub(super) point: u32,
}

/// All points that were kept, by tile.
pub(super) struct Partition {
    /// `1 << tile_bits` cells make a tile.
    tile_bits: u32,
    chunk_points: usize,
    /// By chunk, tile and point.
    entries: Vec<Entry>,
    /// `[chunk][tile]`, with one more tile at the end: where in the chunk the tile's entries start.
    starts: Vec<u32>,
    tiles: usize,
    pub(super) dropped: u64,
}

/// Memory that a thread reuses from chunk to chunk.
#[derive(Default)]
struct Scratch {
    cells: Vec<u64>,
    next: Vec<u32>,
}

impl Partition {
    /// Sorts `points[N,3]`, N at most `u32::MAX`, into tiles of about `wanted_cells`.
    pub(super) fn new(grid: &Cells, points: &[f32], wanted_cells: usize, options: CpuOptions) -> Self {
        let count = points.len() / 3;
        assert!(u32::try_from(count).is_ok(), "{count} points are more than a u32 can number");
        let most_cells = (grid.volume / ENOUGH_TILES).max(1);
        let least_cells = grid.volume.div_ceil(MOST_TILES);
        let tile_cells = wanted_cells.min(most_cells).max(least_cells).next_power_of_two().min(1 << 31);
        let tile_bits = tile_cells.ilog2();
        let tiles = grid.volume.div_ceil(tile_cells);
        let chunk_points = CHUNK_POINTS.max(count.div_ceil(MOST_CHUNKS));

        let mut entries: Vec<Entry> = bytemuck::zeroed_vec(count);
        let mut starts = vec![0; count.div_ceil(chunk_points) * (tiles + 1)];
        let chunks = points
            .chunks(3 * chunk_points)
            .zip(entries.chunks_mut(chunk_points))
            .zip(starts.chunks_mut(tiles + 1))
            .enumerate();
        let sort = |scratch: &mut Scratch, (chunk, ((points, entries), starts)): (usize, ((&[f32], _), _))| {
            let Scratch { cells, next } = scratch;
            cells.resize(points.len() / 3, 0);
            grid.locate(points, cells);
            sort_chunk(cells, grid.volume, tile_bits, (chunk * chunk_points) as u32, next, entries, starts);
        };
        pool::for_each(options.threads, chunks, Scratch::default, sort);
        let kept: u64 = starts.chunks(tiles + 1).map(|starts| u64::from(starts[tiles])).sum();
        Self { tile_bits, chunk_points, entries, starts, tiles, dropped: count as u64 - kept }
    }

    /// Cells of every tile but the last.
    pub(super) fn tile_cells(&self) -> usize {
        1 << self.tile_bits
    }

    /// The segments of a tile. Points ascend from segment to segment and within each.
    pub(super) fn tile(&self, tile: usize) -> impl Iterator<Item = &[Entry]> + Clone {
        let chunks = self.entries.chunks(self.chunk_points).zip(self.starts.chunks(self.tiles + 1));
        chunks.map(move |(entries, starts)| &entries[starts[tile] as usize..starts[tile + 1] as usize])
    }
}

/// Counting sort of one chunk by tile; dropped points, those in cell `volume`, are left out.
fn sort_chunk(
    cells: &[u64],
    volume: usize,
    tile_bits: u32,
    first_point: u32,
    next: &mut Vec<u32>,
    entries: &mut [Entry],
    starts: &mut [u32],
) {
    let tiles = starts.len() - 1;
    // The last slot is for dropped points, so that the loops need no branch for them.
    let tile = |cell: u64| if cell == volume as u64 { tiles } else { (cell >> tile_bits) as usize };
    next.clear();
    next.resize(tiles + 1, 0);
    for &cell in cells {
        next[tile(cell)] += 1;
    }
    let mut start = 0;
    for (start_of_tile, next) in starts.iter_mut().zip(next.iter_mut()) {
        *start_of_tile = start;
        start += std::mem::replace(next, start);
    }
    let mask = (1_u64 << tile_bits) - 1;
    for (point, &cell) in (first_point..).zip(cells) {
        let next = &mut next[tile(cell)];
        entries[*next as usize] = Entry { cell: (cell & mask) as u32, point };
        *next += 1;
    }
}
