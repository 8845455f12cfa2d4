//! Constants that the device code and its launchers share. A test holds them to the sources.

/// Streams that one `fuse` launch takes.
pub const STREAMS: usize = 16;

/// Most targets in a tile of `resample` and `fuse`.
pub const TARGETS_PER_TILE: u64 = 256;

/// Most sample times of a stream that a block of `resample` or `fuse` stages in shared memory.
pub const STAGED_TIMES: u64 = 2048;

/// Bytes of shared memory for each target of a tile.
pub const PLACE_BYTES: u64 = 16;

/// A voxel with more points than this is heavy, and needs an accumulator in the workspace.
pub const LIGHT_POINTS: u64 = 64;

/// Points of a heavy voxel that one warp reduces.
pub const PIECE_POINTS: u64 = 1024;

/// 8-byte accumulator words for one feature of a heavy voxel, mode `mean`.
pub const MEAN_WORDS: u64 = 12;

/// The same for mode `max`.
pub const MAX_WORDS: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_code_says_the_same() {
        let interpolate = include_str!("../interpolate.cuh");
        let fuse = include_str!("../fuse.cu");
        let heavy_voxels = include_str!("../heavy_voxels.cuh");
        let reduction = include_str!("../reduction.cuh");
        let exact_mean = include_str!("../exact_mean.cuh");
        for (source, line) in [
            (interpolate, format!("constexpr unsigned kMaximumTargetsPerTile = {TARGETS_PER_TILE};")),
            (fuse, format!("constexpr unsigned kMaximumStreams = {STREAMS};")),
            (interpolate, format!("constexpr unsigned kMaximumStagedTimes = {STAGED_TIMES};")),
            (interpolate, format!("static_assert(sizeof(Place<std::uint32_t>) == {PLACE_BYTES});")),
            (heavy_voxels, format!("constexpr std::uint32_t kLightPoints = {LIGHT_POINTS};")),
            (heavy_voxels, format!("constexpr std::uint32_t kPiecePoints = {PIECE_POINTS};")),
            (exact_mean, format!("constexpr int kDigits = {};", MEAN_WORDS - 1)),
            (reduction, "static constexpr int kWords = kDigits + 1;".to_owned()),
            (reduction, format!("static constexpr int kWords = {MAX_WORDS};")),
        ] {
            assert!(source.contains(&line), "the device code no longer says `{line}`");
        }
    }
}
