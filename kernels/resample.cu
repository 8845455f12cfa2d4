// resample: samples [B, S, D] at times [B, S], targets [B, T] -> output [B, T, D], in one launch.
#include "interpolate.cuh"

namespace robocache {

// All threads that a multiprocessor can hold keep more bytes on their way than more rows by fewer threads would.
constexpr unsigned kResampleRowsInFlight = 1;

template <typename Dtype, typename Time>
__device__ void resample(const Stream<Dtype, Time> &stream, const Timeline<Dtype, Time> &timeline,
                         std::uint64_t tiles_per_batch, std::uint64_t staged_times) {
    allow_next_kernel();
    const auto storage = TileStorage<typename Dtype::Bits, Time>::of_block(stream.targets_per_tile, staged_times);
    const std::uint64_t tile_count = timeline.batch_count * tiles_per_batch;
    for (std::uint64_t item = blockIdx.x; item < tile_count; item += gridDim.x) {
        const Division place(item, tiles_per_batch);
        interpolate_tile<kResampleRowsInFlight>(stream, timeline, place.quotient, place.remainder, storage);
    }
}

} // namespace robocache

#define ROBOCACHE_RESAMPLE(SUFFIX, DTYPE, TIME) \
    ROBOCACHE_KERNEL(32) \
    resample_##SUFFIX(const __grid_constant__ robocache::Stream<DTYPE, TIME> stream, \
                      const __grid_constant__ robocache::Timeline<DTYPE, TIME> timeline, \
                      std::uint64_t tiles_per_batch, std::uint64_t staged_times) { \
        robocache::resample(stream, timeline, tiles_per_batch, staged_times); \
    }

ROBOCACHE_RESAMPLE(f32_f32, robocache::F32, float)
ROBOCACHE_RESAMPLE(f16_f32, robocache::F16, float)
ROBOCACHE_RESAMPLE(bf16_f32, robocache::Bf16, float)
ROBOCACHE_RESAMPLE(f32_i64, robocache::F32, std::int64_t)
ROBOCACHE_RESAMPLE(f16_i64, robocache::F16, std::int64_t)
ROBOCACHE_RESAMPLE(bf16_i64, robocache::Bf16, std::int64_t)
