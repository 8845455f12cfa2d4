//! Into how many targets at a time a stream is cut on a GPU. It decides the speed and never a bit.

use robocache_kernels::limits;

use crate::cuda::Call;

/// Tiles for each multiprocessor below which tiles are made smaller, so that all of them have some.
const TILES_PER_MULTIPROCESSOR: u64 = 4;

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

/// The work that a block takes at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    /// Its threads.
    pub(crate) threads: u32,
    /// Accesses of each thread for one tile, if there is work enough: then the search at a tile's beginning hardly counts.
    pub(crate) accesses_per_thread: u64,
}

/// The targets of a tile, for each of some streams that are interpolated at `target` targets in each of `batch` batches.
pub(crate) fn targets_per_tile(rows: &[Row], batch: usize, target: usize, block: Block, call: &Call<'_>) -> Vec<u64> {
    match call.geometry.targets_per_tile {
        Some(tile) => rows.iter().map(|_| u64::from(tile).clamp(1, limits::TARGETS_PER_TILE)).collect(),
        None => {
            let wanted = TILES_PER_MULTIPROCESSOR * u64::from(call.kernels.context().properties().multiprocessors);
            choose(rows, batch as u64, target as u64, block, wanted)
        }
    }
}

fn choose(rows: &[Row], batch: u64, target: u64, block: Block, wanted_tiles: u64) -> Vec<u64> {
    let mut accesses_per_thread = block.accesses_per_thread;
    loop {
        let tiles: Vec<u64> = rows
            .iter()
            .map(|row| {
                let most = (u64::from(block.threads) * accesses_per_thread / row.accesses())
                    .clamp(1, limits::TARGETS_PER_TILE);
                // No tile much smaller than the others.
                target.div_ceil(target.div_ceil(most))
            })
            .collect();
        let count: u64 = tiles.iter().map(|tile| batch * target.div_ceil(*tile)).sum();
        if accesses_per_thread == 1 || count >= wanted_tiles {
            return tiles;
        }
        accesses_per_thread /= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiles(bytes: &[usize], batch: u64, target: u64, threads: u32) -> Vec<u64> {
        let rows: Vec<Row> = bytes.iter().map(|&bytes| Row { bytes }).collect();
        choose(&rows, batch, target, Block { threads, accesses_per_thread: 16 }, 4 * 132)
    }

    #[test]
    fn much_work_makes_large_tiles_of_equal_size() {
        assert_eq!(tiles(&[512], 1024, 256, 256), [128]);
        assert_eq!(tiles(&[64], 4096, 250, 256), [250]);
        assert_eq!(tiles(&[1024, 256, 128], 1024, 128, 128), [32, 128, 128]);
    }

    #[test]
    fn little_work_is_spread_over_the_gpu() {
        assert_eq!(tiles(&[512], 32, 256, 256), [8]);
        assert_eq!(tiles(&[64], 8, 64, 256), [64]);
        assert_eq!(tiles(&[1024, 256, 128], 4, 128, 128), [2, 8, 16]);
    }

    #[test]
    fn extremes_stay_legal() {
        assert_eq!(tiles(&[1 << 20], 1, 7, 256), [1]);
        assert_eq!(tiles(&[2], 1, 1, 1), [1]);
        assert_eq!(tiles(&[1], 1_000_000, 100_000, 1024), [256]);
    }
}
