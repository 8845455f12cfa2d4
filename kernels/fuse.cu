// fuse: up to 16 streams, each with its own S and D, resampled onto one timeline and written side by side, in one
// launch. Equal to the concatenation of resamples, because both run the same tile.
#include "interpolate.cuh"

namespace robocache {

constexpr unsigned kMaximumStreams = 16;

// The streams travel by value in the kernel's parameters: no copy to the device precedes the launch.
template <typename Dtype, typename Time> struct StreamTable {
    Stream<Dtype, Time> streams[kMaximumStreams];
    std::uint64_t count;
};

template <typename Dtype, typename Time>
__device__ void fuse(const StreamTable<Dtype, Time> &table, const Timeline<Dtype, Time> &timeline) {
    __shared__ TileStorage<Time> storage;
    const std::uint64_t tiles_per_batch = timeline.tiles_per_batch();
    // Streams vary fastest, so that blocks that write the same output rows run at about the same time.
    const std::uint64_t item_count = timeline.batch_count * tiles_per_batch * table.count;
    for (std::uint64_t item = blockIdx.x; item < item_count; item += gridDim.x) {
        const std::uint64_t tile = item / table.count;
        interpolate_tile(table.streams[item % table.count], timeline, tile / tiles_per_batch,
                         tile % tiles_per_batch, storage);
    }
}

} // namespace robocache

#define ROBOCACHE_FUSE(SUFFIX, DTYPE, TIME) \
    ROBOCACHE_KERNEL fuse_##SUFFIX(const __grid_constant__ robocache::StreamTable<DTYPE, TIME> table, \
                                   const __grid_constant__ robocache::Timeline<DTYPE, TIME> timeline) { \
        robocache::fuse(table, timeline); \
    }

ROBOCACHE_FUSE(f32_f32, robocache::F32, float)
ROBOCACHE_FUSE(f16_f32, robocache::F16, float)
ROBOCACHE_FUSE(bf16_f32, robocache::Bf16, float)
ROBOCACHE_FUSE(f32_i64, robocache::F32, std::int64_t)
ROBOCACHE_FUSE(f16_i64, robocache::F16, std::int64_t)
ROBOCACHE_FUSE(bf16_i64, robocache::Bf16, std::int64_t)
