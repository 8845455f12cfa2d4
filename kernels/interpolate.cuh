// Linear interpolation of one stream at sorted times: the part that `resample` and `fuse` share, so that
// fuse is the concatenation of resamples by construction.
//
// A block takes one tile: some consecutive targets of one batch of one stream. It stages the sample times in
// shared memory, searches once per target, and then moves whole rows in the widest chunks that the addresses
// allow, several chunks of each thread in flight.
#pragma once

#include "common.cuh"

namespace robocache {

// Upper limits for the number of targets in a tile, and for the sample times that are staged in shared memory. Streams
// with more times are searched in global memory.
constexpr unsigned kMaximumTargetsPerTile = 256;
constexpr unsigned kMaximumStagedTimes = 2048;

// Where a target lies among the samples: at a row, or if not `exact` between that row and the next.
template <typename Bits> struct Place {
    const Bits *row;
    float weight;
    std::uint32_t exact;
};
static_assert(sizeof(Place<std::uint32_t>) == 16);

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

// The number of samples that the search below finds at or before `target`: the last of them is where it lies.
//
// Which samples a binary search probes is part of the contract: for unsorted or NaN times it still ends inside
// [0, count], and the CPU probes the same ones. Both samples that the next step may want are probed with the present
// one, so that a step waits for memory half as often.
template <typename Index, typename Time>
__device__ Index samples_not_after(const Time *times, Index count, Time target) {
    Index low = 0;
    Index high = count;
    while (low < high) {
        const Index middle = low + (high - low) / 2;
        const Index below = low + (middle - low) / 2;
        const Index above = middle + 1 + (high - middle - 1) / 2;
        const bool after_middle = times[middle] <= target;
        // A half that is empty is not looked into: its probe is any sample's.
        const bool after_below = times[below] <= target;
        const bool after_above = times[min(above, count - 1)] <= target;
        low = after_middle ? middle + 1 : low;
        high = after_middle ? high : middle;
        if (low < high) {
            const Index next = after_middle ? above : below;
            const bool after_next = after_middle ? after_above : after_below;
            low = after_next ? next + 1 : low;
            high = after_next ? high : next;
        }
    }
    return low;
}

// Where `target` lies among `count` samples, whose rows are `width` elements long.
template <typename Index, typename Bits, typename Time>
__device__ Place<Bits> locate(const Time *times, Index count, const Bits *samples, std::uint64_t width, Time target) {
    const Index found = samples_not_after(times, count, target);
    const Index row = found == 0 ? 0 : found - 1;
    const Time before = times[row];
    const Time after = times[min(row + 1, count - 1)];
    const bool exact = found == 0 || found == count || before == target;
    return {samples + row * width, exact ? 0.0f : interpolation_weight(before, after, target), exact};
}

// before * (1 - weight) + after * weight, each step rounded.
__device__ inline float blend(float before, float after, float weight) {
    return __fadd_rn(__fmul_rn(before, __fsub_rn(1.0f, weight)), __fmul_rn(after, weight));
}

// One chunk of a row, between two chunks of samples; if `exact`, a copy of the first.
template <typename Dtype, int Lanes>
__device__ Chunk<typename Dtype::Bits, Lanes> blend(const Chunk<typename Dtype::Bits, Lanes> &before,
                                                    const Chunk<typename Dtype::Bits, Lanes> &after, float weight,
                                                    bool exact) {
    Chunk<typename Dtype::Bits, Lanes> result = before;
    if constexpr (Lanes == 1) {
        const float blended = blend(Dtype::widen(before.lanes[0]), Dtype::widen(after.lanes[0]), weight);
        result.lanes[0] = exact ? Dtype::copy(before.lanes[0]) : Dtype::narrow(blended);
    } else {
        constexpr int kPairs = Lanes / 2;
        typename Dtype::Pair pairs[kPairs], pairs_after[kPairs];
        std::memcpy(pairs, before.lanes, sizeof(pairs));
        std::memcpy(pairs_after, after.lanes, sizeof(pairs));
        if (!exact) {
#pragma unroll
            for (int i = 0; i < kPairs; ++i) {
                const float2 left = Dtype::widen_pair(pairs[i]);
                const float2 right = Dtype::widen_pair(pairs_after[i]);
                pairs[i] = Dtype::narrow_pair({blend(left.x, right.x, weight), blend(left.y, right.y, weight)});
            }
        }
        // NaN is rare, and costs only here.
        if (Dtype::may_hold_nan(pairs)) {
#pragma unroll
            for (int i = 0; i < kPairs; ++i) {
                pairs[i] = Dtype::copy_pair(pairs[i]);
            }
        }
        std::memcpy(result.lanes, pairs, sizeof(pairs));
    }
    return result;
}

// One input stream: samples [B, sample_count, width] at times [B, sample_count], written to the output's columns
// [column, column + width).
template <typename Dtype, typename Time> struct Stream {
    const typename Dtype::Bits *samples;
    const Time *times;
    std::uint64_t sample_count;
    std::uint64_t width;
    std::uint64_t column;
    std::uint64_t targets_per_tile; // a choice of speed only; any value from 1 to the maximum is legal
};

// The common timeline: targets [batch_count, target_count] and output [batch_count, target_count, width].
template <typename Dtype, typename Time> struct Timeline {
    const Time *targets;
    typename Dtype::Bits *output;
    std::uint64_t batch_count;
    std::uint64_t target_count;
    std::uint64_t width;
    std::uint64_t fetches_ahead; // a choice of speed only: whether rows are asked for before they are read
};

// Rows of so many bytes are worth fetching ahead: of narrower ones a warp has enough on its way.
constexpr std::uint64_t kFetchedRowBytes = 256;

// Asks the L2 for memory that will be read soon. It holds no register, so a block can have a whole tile on its way.
__device__ inline void fetch_ahead(std::uint64_t address, std::uint64_t bytes) {
    constexpr std::uint64_t kLineBytes = 128;
    for (std::uint64_t line = address & ~(kLineBytes - 1); line < address + bytes; line += kLineBytes) {
        asm volatile("prefetch.global.L2 [%0];" ::"l"(line));
    }
}

// The block's dynamic shared memory: the places of a tile's targets, and behind them the staged times.
template <typename Bits, typename Time> struct TileStorage {
    Place<Bits> *places;
    Time *times;
    std::uint64_t staged_times; // how many fit

    __device__ static TileStorage of_block(std::uint64_t targets_per_tile, std::uint64_t staged_times) {
        extern __shared__ uint4 memory[];
        Place<Bits> *const places = reinterpret_cast<Place<Bits> *>(memory);
        return {places, reinterpret_cast<Time *>(places + targets_per_tile), staged_times};
    }
};

// The threads that share a row, a power of two: whole warps where they divide the row evenly, else one warp, or as many
// lanes as a narrow row has chunks.
__device__ inline unsigned threads_per_row(std::uint64_t chunks) {
    const unsigned most = 1u << (31 - __clz(int(blockDim.x)));
    if (chunks >= 32) {
        const unsigned divisor = unsigned(chunks & (0u - chunks) & 1023u);
        return min(most, max(divisor, 32u));
    }
    return min(most, chunks <= 1 ? 1u : 1u << (32 - __clz(int(chunks - 1))));
}

// Writes the rows of one tile, `Lanes` elements at a time; `output` is the tile's first element in the stream's first
// column. A thread has chunks of `RowsInFlight` rows on their way at once.
template <typename Dtype, int Lanes, unsigned RowsInFlight>
__device__ void write_rows(const Place<typename Dtype::Bits> *places, unsigned row_count, std::uint64_t width,
                           typename Dtype::Bits *output, std::uint64_t output_width) {
    using Elements = Chunk<typename Dtype::Bits, Lanes>;
    const unsigned threads = threads_per_row(width / Lanes);
    const unsigned row_step = blockDim.x / threads;
    const unsigned first_row = threadIdx.x / threads;
    if (first_row >= row_step) {
        return; // the rest of a block that the threads do not divide
    }
    const std::uint64_t output_step = row_step * output_width;
    for (std::uint64_t column = threadIdx.x % threads * Lanes; column < width; column += threads * Lanes) {
        typename Dtype::Bits *target = output + first_row * output_width + column;
        for (unsigned row = first_row; row < row_count; row += RowsInFlight * row_step) {
            // The loads of several rows are in flight together; past the end, the last row's once more. An exact row
            // is its own successor: an address is chosen sooner than a branch is taken.
            Elements before[RowsInFlight];
            Elements after[RowsInFlight];
#pragma unroll
            for (unsigned i = 0; i < RowsInFlight; ++i) {
                const Place<typename Dtype::Bits> &place =
                    places[RowsInFlight == 1 ? row : min(row + i * row_step, row_count - 1)];
                const typename Dtype::Bits *const source = place.row + column;
                before[i] = Elements::load(source);
                after[i] = Elements::load(source + (place.exact ? 0 : width));
            }
#pragma unroll
            for (unsigned i = 0; i < RowsInFlight; ++i) {
                if (i == 0 || row + i * row_step < row_count) {
                    const Place<typename Dtype::Bits> &place = places[row + i * row_step];
                    blend<Dtype, Lanes>(before[i], after[i], place.weight, place.exact).store(target);
                    target += output_step;
                }
            }
        }
    }
}

// Interpolates one tile. All threads of the block must call it with the same arguments.
template <unsigned RowsInFlight, typename Dtype, typename Time>
__device__ void interpolate_tile(const Stream<Dtype, Time> &stream, const Timeline<Dtype, Time> &timeline,
                                 std::uint64_t batch, std::uint64_t tile,
                                 const TileStorage<typename Dtype::Bits, Time> &storage) {
    using Bits = typename Dtype::Bits;
    const std::uint64_t first = tile * stream.targets_per_tile;
    const unsigned row_count = unsigned(min(stream.targets_per_tile, timeline.target_count - first));
    const Time *times = stream.times + batch * stream.sample_count;
    const Time *targets = timeline.targets + batch * timeline.target_count + first;
    const Bits *samples = stream.samples + batch * stream.sample_count * stream.width;
    wait_for_previous_kernel();
    const bool staged = stream.sample_count <= storage.staged_times;
    if (staged) {
        for (unsigned i = threadIdx.x; i < unsigned(stream.sample_count); i += blockDim.x) {
            storage.times[i] = __ldg(times + i);
        }
    }
    Time target = threadIdx.x < row_count ? __ldg(targets + threadIdx.x) : Time(0);
    __syncthreads();
    const std::uint64_t row_bytes = stream.width * sizeof(Bits);
    for (unsigned i = threadIdx.x; i < row_count; i += blockDim.x) {
        if (i != threadIdx.x) {
            target = __ldg(targets + i);
        }
        const Place<Bits> place =
            staged ? locate(storage.times, unsigned(stream.sample_count), samples, stream.width, target)
                   : locate(times, stream.sample_count, samples, stream.width, target);
        storage.places[i] = place;
        // What the threads read first, they ask for themselves in a moment.
        if (timeline.fetches_ahead && row_bytes >= kFetchedRowBytes &&
            i * row_bytes >= blockDim.x * RowsInFlight * 16) {
            fetch_ahead(address_of(place.row), place.exact ? row_bytes : 2 * row_bytes);
        }
    }
    __syncthreads();

    Bits *const output =
        timeline.output + (batch * timeline.target_count + first) * timeline.width + stream.column;
    // The row strides, and the address of the first column, decide for all rows.
    const unsigned access =
        widest_access(address_of(stream.samples) | address_of(timeline.output + stream.column) |
                      (stream.width | timeline.width) * sizeof(Bits));
    switch (access / sizeof(Bits)) {
    case 8:
        // Only two-byte elements come in eights; for four-byte ones this case cannot be reached.
        write_rows<Dtype, 16 / int(sizeof(Bits)), RowsInFlight>(storage.places, row_count, stream.width, output,
                                                                timeline.width);
        break;
    case 4:
        write_rows<Dtype, 4, RowsInFlight>(storage.places, row_count, stream.width, output, timeline.width);
        break;
    case 2:
        write_rows<Dtype, 2, RowsInFlight>(storage.places, row_count, stream.width, output, timeline.width);
        break;
    default:
        write_rows<Dtype, 1, RowsInFlight>(storage.places, row_count, stream.width, output, timeline.width);
        break;
    }
    // The next tile reuses the storage.
    __syncthreads();
}

} // namespace robocache
