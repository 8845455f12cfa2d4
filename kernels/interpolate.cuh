// Linear interpolation of one stream at sorted times: the part that `resample` and `fuse` share, so that
// fuse is the concatenation of resamples by construction.
//
// A block takes one tile: some consecutive targets of one batch of one stream. It stages the sample times in
// shared memory, searches once per target, and then moves whole rows in the widest chunks that the addresses
// allow.
#pragma once

#include "common.cuh"

namespace robocache {

// Upper limit for the number of targets in a tile, and the shared memory in which sample times are staged.
// Streams with more times than fit are searched in global memory.
constexpr unsigned kMaximumTargetsPerTile = 128;
constexpr unsigned kStagedTimeBytes = 8192;

// Where a target lies among the samples: on a row (`exact`), or between `row` and `row + 1`.
struct Place {
    std::uint64_t row;
    float weight;
    bool exact;
};

// (target - before) / (after - before) for times in seconds.
__device__ inline float interpolation_weight(float before, float after, float target) {
    return __fdiv_rn(__fsub_rn(target, before), __fsub_rn(after, before));
}

// The same for nanoseconds: the differences are exact as unsigned integers (they may exceed the signed range)
// and are rounded to f32 only then.
__device__ inline float interpolation_weight(std::int64_t before, std::int64_t after, std::int64_t target) {
    const unsigned long long elapsed = std::uint64_t(target) - std::uint64_t(before);
    const unsigned long long interval = std::uint64_t(after) - std::uint64_t(before);
    return __fdiv_rn(__ull2float_rn(elapsed), __ull2float_rn(interval));
}

// Finds the last sample at or before `target`. This binary search is part of the contract: for unsorted or NaN
// times it still ends inside [0, count), and the CPU probes the same samples in the same order.
template <typename Time>
__device__ Place locate(const Time *times, std::uint64_t count, Time target) {
    std::uint64_t low = 0;
    std::uint64_t high = count;
    while (low < high) {
        const std::uint64_t middle = low + (high - low) / 2;
        if (times[middle] <= target) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) {
        return {0, 0.0f, true};
    }
    const std::uint64_t row = low - 1;
    if (row == count - 1 || times[row] == target) {
        return {row, 0.0f, true};
    }
    return {row, interpolation_weight(times[row], times[row + 1], target), false};
}

// before * (1 - weight) + after * weight, each step rounded.
__device__ inline float blend(float before, float after, float weight) {
    return __fadd_rn(__fmul_rn(before, __fsub_rn(1.0f, weight)), __fmul_rn(after, weight));
}

// One input stream: samples [B, sample_count, width] at times [B, sample_count], written to the output's columns
// [column, column + width).
template <typename Dtype, typename Time> struct Stream {
    const typename Dtype::Bits *samples;
    const Time *times;
    std::uint64_t sample_count;
    std::uint64_t width;
    std::uint64_t column;
};

// The common timeline: targets [batch_count, target_count] and output [batch_count, target_count, width].
template <typename Dtype, typename Time> struct Timeline {
    const Time *targets;
    typename Dtype::Bits *output;
    std::uint64_t batch_count;
    std::uint64_t target_count;
    std::uint64_t width;
    std::uint64_t targets_per_tile; // a choice of speed only; any value is legal

    __device__ std::uint64_t tile_size() const {
        return min(max(targets_per_tile, std::uint64_t(1)), std::uint64_t(kMaximumTargetsPerTile));
    }
    __device__ std::uint64_t tiles_per_batch() const {
        return (target_count + tile_size() - 1) / tile_size();
    }
};

// A block's shared memory for one tile.
template <typename Time> struct TileStorage {
    Time times[kStagedTimeBytes / sizeof(Time)];
    Place places[kMaximumTargetsPerTile];
};

// Writes the rows of one tile, `Lanes` elements at a time. `samples` is the batch's first row, `output` the tile's
// first element in the stream's first column.
template <typename Dtype, int Lanes>
__device__ void write_rows(const typename Dtype::Bits *samples, std::uint64_t width, const Place *places,
                           std::uint64_t row_count, typename Dtype::Bits *output, std::uint64_t output_width) {
    using Elements = Chunk<typename Dtype::Bits, Lanes>;
    for (Walk walk(threadIdx.x, blockDim.x, width / Lanes); walk.row < row_count; walk.next()) {
        const Place place = places[walk.row];
        const typename Dtype::Bits *source = samples + place.row * width + walk.column * Lanes;
        Elements result = Elements::load(source);
        if (place.exact) {
#pragma unroll
            for (int lane = 0; lane < Lanes; ++lane) {
                result.lanes[lane] = Dtype::copy(result.lanes[lane]);
            }
        } else {
            const Elements after = Elements::load(source + width);
#pragma unroll
            for (int lane = 0; lane < Lanes; ++lane) {
                result.lanes[lane] = Dtype::narrow(
                    blend(Dtype::widen(result.lanes[lane]), Dtype::widen(after.lanes[lane]), place.weight));
            }
        }
        result.store(output + walk.row * output_width + walk.column * Lanes);
    }
}

// Interpolates one tile. All threads of the block must call it with the same arguments.
template <typename Dtype, typename Time>
__device__ void interpolate_tile(const Stream<Dtype, Time> &stream, const Timeline<Dtype, Time> &timeline,
                                 std::uint64_t batch, std::uint64_t tile, TileStorage<Time> &storage) {
    constexpr std::uint64_t capacity = kStagedTimeBytes / sizeof(Time);
    const std::uint64_t first = tile * timeline.tile_size();
    const std::uint64_t row_count = min(timeline.tile_size(), timeline.target_count - first);

    const Time *times = stream.times + batch * stream.sample_count;
    if (stream.sample_count <= capacity) {
        for (std::uint64_t i = threadIdx.x; i < stream.sample_count; i += blockDim.x) {
            storage.times[i] = __ldg(times + i);
        }
        times = storage.times;
        __syncthreads();
    }
    const Time *targets = timeline.targets + batch * timeline.target_count + first;
    for (std::uint64_t i = threadIdx.x; i < row_count; i += blockDim.x) {
        storage.places[i] = locate(times, stream.sample_count, __ldg(targets + i));
    }
    __syncthreads();

    using Bits = typename Dtype::Bits;
    const Bits *samples = stream.samples + batch * stream.sample_count * stream.width;
    Bits *output =
        timeline.output + (batch * timeline.target_count + first) * timeline.width + stream.column;
    // The row strides, and the address of the first column, decide for all rows.
    const unsigned access =
        widest_access(address_of(stream.samples) | address_of(timeline.output + stream.column) |
                      (stream.width | timeline.width) * sizeof(Bits));
    switch (access / sizeof(Bits)) {
    case 8:
        // Only two-byte elements come in eights; for four-byte ones this case cannot be reached.
        write_rows<Dtype, 16 / int(sizeof(Bits))>(samples, stream.width, storage.places, row_count, output,
                                                  timeline.width);
        break;
    case 4:
        write_rows<Dtype, 4>(samples, stream.width, storage.places, row_count, output, timeline.width);
        break;
    case 2:
        write_rows<Dtype, 2>(samples, stream.width, storage.places, row_count, output, timeline.width);
        break;
    default:
        write_rows<Dtype, 1>(samples, stream.width, storage.places, row_count, output, timeline.width);
        break;
    }
    // The next tile reuses the storage.
    __syncthreads();
}

} // namespace robocache
