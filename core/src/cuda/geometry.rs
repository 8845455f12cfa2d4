//! Into how many blocks and threads a call is cut. It decides the speed and never a bit.

/// Grid, block and tile sizes for all kernels of a call. The default is the fast one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Geometry {
    /// Threads in a block, between 1 and 1024; `None` leaves it to the kernel.
    pub threads: Option<u32>,
    /// The most blocks of any launch; `None` leaves it to the kernel's work.
    pub most_blocks: Option<u32>,
    /// Targets in a tile of `resample` and `fuse`, between 1 and 256; `None` leaves it to the width of the rows.
    pub targets_per_tile: Option<u32>,
}

impl Geometry {
    /// Others that must give the same bits: whole and broken warps, from few blocks that loop to more blocks than
    /// work, tiles from one target to the most.
    pub const ALTERNATIVES: [Self; 4] = [
        Self { threads: Some(64), most_blocks: Some(37), targets_per_tile: Some(5) },
        Self { threads: Some(1024), most_blocks: Some(4096), targets_per_tile: Some(256) },
        Self { threads: Some(45), most_blocks: Some(1009), targets_per_tile: Some(1) },
        Self { threads: Some(128), most_blocks: Some(100_000), targets_per_tile: Some(33) },
    ];

    /// Blocks for `items` of work of which each block takes `items_per_block` at a time; at least 1, at most `limit`
    /// and what CUDA allows.
    pub fn blocks(&self, items: u64, items_per_block: u64, limit: u32) -> u32 {
        let wanted = items.div_ceil(items_per_block.max(1));
        let most = self.most_blocks.unwrap_or(limit).min(i32::MAX as u32);
        u32::try_from(wanted).unwrap_or(u32::MAX).clamp(1, most.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_the_work_within_the_limits() {
        let geometry = Geometry::default();
        assert_eq!(geometry.blocks(1, 256, 100), 1);
        assert_eq!(geometry.blocks(257, 256, 100), 2);
        assert_eq!(geometry.blocks(u64::MAX, 1, u32::MAX), i32::MAX as u32);
        assert_eq!(geometry.blocks(1_000_000, 1, 100), 100);
        assert_eq!(Geometry::ALTERNATIVES[0].blocks(1_000_000, 1, 100), 37);
    }
}
