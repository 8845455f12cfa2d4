// fuse: up to 16 streams, each with its own S and D, resampled onto one timeline and written side by side, in one
// launch. Equal to the concatenation of resamples, because both run the same tile.
#include "interpolate.cuh"

namespace robocache {

constexpr unsigned kMaximumStreams = 16;

// Streams of different widths keep fewer threads busy at a time, so that each has more on its way.
constexpr unsigned kFuseRowsInFlight = 4;

// The streams travel by value in the kernel's parameters: no copy to the device precedes the launch. What a block looks
// through comes first and side by side, because parameters are cached in lines.
template <typename Dtype, typename Time> struct StreamTable {
    std::uint64_t tiles_per_batch;         // of all streams
    std::uint64_t targets_per_tile;        // the most of any stream
    std::uint32_t tiles[kMaximumStreams];  // of each stream, for one batch
    Stream<Dtype, Time> streams[kMaximumStreams];
};

template <typename Dtype, typename Time>
__device__ void fuse(const StreamTable<Dtype, Time> &table, const Timeline<Dtype, Time> &timeline,
                     std::uint64_t staged_times) {
    allow_next_kernel();
    const auto storage = TileStorage<typename Dtype::Bits, Time>::of_block(table.targets_per_tile, staged_times);
    // Streams vary faster than batches, so that blocks that write the same output rows run at about the same time.
    const std::uint64_t item_count = timeline.batch_count * table.tiles_per_batch;
    for (std::uint64_t item = blockIdx.x; item < item_count; item += gridDim.x) {
        const Division place(item, table.tiles_per_batch);
        std::uint64_t tile = place.remainder;
        unsigned stream = 0;
        while (tile >= table.tiles[stream]) {
            tile -= table.tiles[stream];
            ++stream;
        }
        interpolate_tile<kFuseRowsInFlight>(table.streams[stream], timeline, place.quotient, tile, storage);
    }
}

} // namespace robocache

#define ROBOCACHE_FUSE(SUFFIX, DTYPE, TIME) \
    ROBOCACHE_KERNEL(64) \
    fuse_##SUFFIX(const __grid_constant__ robocache::StreamTable<DTYPE, TIME> table, \
                  const __grid_constant__ robocache::Timeline<DTYPE, TIME> timeline, std::uint64_t staged_times) { \
        robocache::fuse(table, timeline, staged_times); \
    }

ROBOCACHE_FUSE(f32_f32, robocache::F32, float)
ROBOCACHE_FUSE(f16_f32, robocache::F16, float)
ROBOCACHE_FUSE(bf16_f32, robocache::Bf16, float)
ROBOCACHE_FUSE(f32_i64, robocache::F32, std::int64_t)
ROBOCACHE_FUSE(f16_i64, robocache::F16, std::int64_t)
ROBOCACHE_FUSE(bf16_i64, robocache::Bf16, std::int64_t)
