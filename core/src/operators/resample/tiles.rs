//! Into how many targets at a time a stream is cut on a GPU. It decides the speed and never a bit.

use robocache_kernels::limits;

use crate::cuda::Call;

/// Accesses of each thread from which on a tile is large.
const LARGE: u64 = 8;

/// Tiles for each multiprocessor below which tiles are not made larger than that, so that multiprocessors end together;
/// and from which on rows are asked for before they are read.
const MANY_TILES_PER_MULTIPROCESSOR: u64 = 8;

/// One row of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// Its size.
    pub(crate) bytes: usize,
}

impl Row {
    /// Accesses of 16 bytes that write it.
    fn accesses(self) -> u64 {
        (self.bytes as u64).div_ceil(16).max(1)
    }
}

/// The work that a block takes at a time, and how many such pieces there should be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    /// Its threads.
    pub(crate) threads: u32,
    /// Accesses of each thread for one tile, if there is work enough: then the search at a tile's beginning hardly counts.
    pub(crate) accesses_per_thread: u64,
    /// Tiles for each multiprocessor below which no tile is large, so that all of them have some.
    pub(crate) tiles_per_multiprocessor: u64,
}

/// How the streams of a call are cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tiles {
    /// The targets of a tile of each stream.
    pub(crate) targets: Vec<u64>,
    /// Whether rows should be asked for before they are read: where there is work enough, it keeps memory busy.
    pub(crate) fetch_ahead: bool,
}

impl Tiles {
    /// For streams with such rows that are interpolated at `target` targets in each of `batch` batches.
    pub(crate) fn choose(rows: &[Row], batch: usize, target: usize, block: Block, call: &Call<'_>) -> Self {
        match call.geometry.targets_per_tile {
            Some(tile) => {
                let tile = u64::from(tile).clamp(1, limits::TARGETS_PER_TILE);
                // Both ways of reading rows are among the geometries.
                Self { targets: vec![tile; rows.len()], fetch_ahead: tile > 1 }
            }
            None => {
                let multiprocessors = u64::from(call.kernels.context().properties().multiprocessors);
                Self::of_work(rows, batch as u64, target as u64, block, multiprocessors)
            }
        }
    }

    fn of_work(rows: &[Row], batch: u64, target: u64, block: Block, multiprocessors: u64) -> Self {
        let mut accesses_per_thread = block.accesses_per_thread;
        loop {
            let targets: Vec<u64> = rows
                .iter()
                .map(|row| {
                    let most = (u64::from(block.threads) * accesses_per_thread / row.accesses())
                        .clamp(1, limits::TARGETS_PER_TILE);
                    // No tile much smaller than the others.
                    target.div_ceil(target.div_ceil(most))
                })
                .collect();
            let count: u64 = targets.iter().map(|tile| batch * target.div_ceil(*tile)).sum();
            let many = MANY_TILES_PER_MULTIPROCESSOR * multiprocessors;
            let wanted =
                if accesses_per_thread > LARGE { many } else { block.tiles_per_multiprocessor * multiprocessors };
            if accesses_per_thread == 1 || count >= wanted {
                return Self { targets, fetch_ahead: count >= many };
            }
            accesses_per_thread /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiles(bytes: &[usize], batch: u64, target: u64, threads: u32) -> Tiles {
        let rows: Vec<Row> = bytes.iter().map(|&bytes| Row { bytes }).collect();
        let block = Block { threads, accesses_per_thread: 16, tiles_per_multiprocessor: 4 };
        Tiles::of_work(&rows, batch, target, block, 132)
    }

    #[test]
    fn much_work_makes_large_tiles_of_equal_size() {
        let large = |targets: &[u64]| Tiles { targets: targets.to_vec(), fetch_ahead: true };
        assert_eq!(tiles(&[512], 1024, 256, 256), large(&[128]));
        assert_eq!(tiles(&[64], 4096, 250, 256), large(&[250]));
        assert_eq!(tiles(&[1024, 256, 128], 1024, 128, 128), large(&[32, 128, 128]));
    }

    #[test]
    fn little_work_is_spread_over_the_gpu() {
        let small = |targets: &[u64]| Tiles { targets: targets.to_vec(), fetch_ahead: false };
        assert_eq!(tiles(&[512], 32, 256, 256), small(&[8]));
        assert_eq!(tiles(&[64], 8, 64, 256), small(&[64]));
        assert_eq!(tiles(&[1024, 256, 128], 4, 128, 128), small(&[2, 8, 16]));
    }

    #[test]
    fn tiles_are_large_only_where_there_are_many() {
        let rows = [1024, 256, 128];
        assert_eq!(tiles(&rows, 512, 128, 256), Tiles { targets: vec![64, 128, 128], fetch_ahead: true });
        assert_eq!(tiles(&rows, 256, 128, 256), Tiles { targets: vec![32, 128, 128], fetch_ahead: true });
        assert_eq!(tiles(&rows, 128, 128, 256), Tiles { targets: vec![32, 128, 128], fetch_ahead: false });
    }

    #[test]
    fn extremes_stay_legal() {
        assert_eq!(tiles(&[1 << 20], 1, 7, 256).targets, [1]);
        assert_eq!(tiles(&[2], 1, 1, 1).targets, [1]);
        assert_eq!(tiles(&[1], 1_000_000, 100_000, 1024).targets, [256]);
    }
}
