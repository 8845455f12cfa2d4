// resample: samples [B, S, D] at times [B, S], targets [B, T] -> output [B, T, D], in one launch.
#include "interpolate.cuh"

namespace robocache {

template <typename Dtype, typename Time>
__device__ void resample(const Stream<Dtype, Time> &stream, const Timeline<Dtype, Time> &timeline) {
    __shared__ TileStorage<Time> storage;
    const std::uint64_t tiles_per_batch = timeline.tiles_per_batch();
    const std::uint64_t tile_count = timeline.batch_count * tiles_per_batch;
    for (std::uint64_t item = blockIdx.x; item < tile_count; item += gridDim.x) {
        interpolate_tile(stream, timeline, item / tiles_per_batch, item % tiles_per_batch, storage);
    }
}

} // namespace robocache

#define ROBOCACHE_RESAMPLE(SUFFIX, DTYPE, TIME) \
    ROBOCACHE_KERNEL resample_##SUFFIX(const __grid_constant__ robocache::Stream<DTYPE, TIME> stream, \
                                       const __grid_constant__ robocache::Timeline<DTYPE, TIME> timeline) { \
        robocache::resample(stream, timeline); \
    }

ROBOCACHE_RESAMPLE(f32_f32, robocache::F32, float)
ROBOCACHE_RESAMPLE(f16_f32, robocache::F16, float)
ROBOCACHE_RESAMPLE(bf16_f32, robocache::Bf16, float)
ROBOCACHE_RESAMPLE(f32_i64, robocache::F32, std::int64_t)
ROBOCACHE_RESAMPLE(f16_i64, robocache::F16, std::int64_t)
ROBOCACHE_RESAMPLE(bf16_i64, robocache::Bf16, std::int64_t)
