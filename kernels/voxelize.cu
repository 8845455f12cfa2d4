// voxelize: points [N, 3] and features [N, F] -> a dense grid, x slowest, and the number of dropped points.
//
// `count` and `occupancy` are two launches: clear, then one pass over the points.
//
// `mean` and `max` gather. The points of a voxel are listed in one segment of `order`, and whoever owns an output
// element reads its segment, so floats are never combined by atomics and every output element is written once, empty
// voxels included. Six launches:
//
//   voxelize_clear      zero the per-voxel counts, the cursors and the drop counter
//   voxelize_index      point -> voxel and rank within it, by an integer atomic on the voxel's count
//   voxelize_allocate   the first point of each voxel claims the voxel's segment; heavy voxels are entered in a list
//   voxelize_scatter    point -> order[start of its segment + rank]; zero the accumulators of heavy voxels
//   voxelize_<mode>_*   light voxels: one thread per chunk of features; heavy voxels: one warp per piece and chunk
//   voxelize_<mode>_finish   accumulators of heavy voxels -> output
//
// Ranks and segments come out in any order; the reductions do not depend on it.
#include "common.cuh"
#include "reduction.cuh"

namespace robocache {

// A voxel with more points than this is heavy: its points are shared out to warps in pieces.
constexpr std::uint32_t kLightPoints = 128;
constexpr std::uint32_t kPiecePoints = 1024;
constexpr std::uint64_t kDropped = ~0ull;

// Where the grid lies, and how many voxels it has along x, y and z.
struct Grid {
    float origin[3];
    float voxel_size;
    std::int64_t extent[3];
};

// Counters that are claimed from during one call.
struct Cursors {
    unsigned long long placed; // positions of `order` given out
    unsigned long long heavy;  // heavy voxels in the upper half, their pieces in the lower
};

// The caller's workspace. V is the number of voxels, N of points; H = N / kLightPoints bounds the heavy voxels.
struct Segments {
    Cursors *cursors;
    std::uint32_t *counts;         // [V] points per voxel
    std::uint32_t *starts;         // [V] first position in `order`; undefined for empty voxels
    std::uint64_t *voxels;         // [N] the voxel of each point, or kDropped
    std::uint32_t *ranks;          // [N] the point's place among those of its voxel
    std::uint32_t *order;          // [N] point indices, voxel by voxel
    std::uint64_t *heavy_voxels;   // [H]
    std::uint32_t *heavy_pieces;   // [H] index of each heavy voxel's first piece, ascending
    AccumulatorWord *accumulators; // [H, F, words of the reduction]

    __device__ std::uint64_t heavy_count() const { return cursors->heavy >> 32; }
    __device__ std::uint64_t piece_count() const { return cursors->heavy & 0xFFFFFFFFu; }
};

// The cell of a coordinate along one axis: floor((p - origin) / size), or -1 if that is outside [0, extent).
__device__ inline std::int64_t cell_of(float coordinate, float origin, float size, std::int64_t extent) {
    const float cell = floorf(__fdiv_rn(__fsub_rn(coordinate, origin), size));
    // Written so that NaN fails; the upper limit keeps the conversion defined.
    if (!(cell >= 0.0f && cell < 2147483648.0f)) {
        return -1;
    }
    const std::int64_t index = std::int64_t(cell);
    return index < extent ? index : -1;
}

__device__ inline std::uint64_t voxel_of(const float *points, std::uint64_t point, const Grid &grid) {
    std::uint64_t voxel = 0;
    for (int axis = 0; axis < 3; ++axis) {
        const std::int64_t cell =
            cell_of(__ldg(points + 3 * point + axis), grid.origin[axis], grid.voxel_size, grid.extent[axis]);
        if (cell < 0) {
            return kDropped;
        }
        voxel = voxel * std::uint64_t(grid.extent[axis]) + std::uint64_t(cell);
    }
    return voxel;
}

// Adds one to the count of each lane's voxel, with one atomic per distinct voxel in the warp, and returns the lane's
// rank in its voxel. Every lane of the warp takes part; dropped ones count nothing.
__device__ inline std::uint32_t enter_voxel(std::uint32_t *counts, std::uint64_t voxel) {
    const Warp warp = Warp::current();
    const unsigned peers = __match_any_sync(warp.mask, (unsigned long long)(voxel));
    const int leader = __ffs(int(peers)) - 1;
    std::uint32_t first = 0;
    if (voxel != kDropped && int(warp.lane) == leader) {
        first = atomicAdd(counts + voxel, std::uint32_t(__popc(peers)));
    }
    first = __shfl_sync(warp.mask, first, leader);
    return first + std::uint32_t(__popc(peers & warp.lanes_below()));
}

// Adds each thread's number of dropped points to the result, with one atomic per block.
__device__ inline void report_dropped(std::uint64_t dropped, std::int64_t *result) {
    __shared__ unsigned long long total;
    if (threadIdx.x == 0) {
        total = 0;
    }
    __syncthreads();
    if (dropped != 0) {
        atomicAdd(&total, (unsigned long long)(dropped));
    }
    __syncthreads();
    if (threadIdx.x == 0 && total != 0) {
        atomicAdd(reinterpret_cast<unsigned long long *>(result), total);
    }
}

// Calls visit(point, voxel, exists) with all threads of the block taking part in each step, as warp and block
// operations need; `exists` is false past the last point. Reports the drops at the end.
template <typename Visit>
__device__ void for_each_point(const float *points, std::uint64_t point_count, const Grid &grid,
                               std::int64_t *dropped_result, const Visit &visit) {
    std::uint64_t dropped = 0;
    for (std::uint64_t base = std::uint64_t(blockIdx.x) * blockDim.x; base < point_count; base += item_stride()) {
        const std::uint64_t point = base + threadIdx.x;
        const bool exists = point < point_count;
        const std::uint64_t voxel = exists ? voxel_of(points, point, grid) : kDropped;
        dropped += exists && voxel == kDropped ? 1 : 0;
        visit(point, voxel, exists);
    }
    report_dropped(dropped, dropped_result);
}

// Claims a segment of `order` for each voxel, one global atomic per block and step.
__device__ inline void allocate(std::uint64_t point_count, const Segments &segments) {
    __shared__ std::uint32_t block_total;
    __shared__ std::uint64_t block_start;
    const Warp warp = Warp::current();
    for (std::uint64_t base = std::uint64_t(blockIdx.x) * blockDim.x; base < point_count; base += item_stride()) {
        const std::uint64_t point = base + threadIdx.x;
        std::uint64_t voxel = kDropped;
        std::uint32_t count = 0; // of points to place, for the thread whose point came first in its voxel
        if (point < point_count && segments.ranks[point] == 0) {
            voxel = segments.voxels[point];
            count = voxel == kDropped ? 0 : segments.counts[voxel];
        }
        // The sum over the lanes up to this one.
        std::uint32_t inclusive = count;
        for (unsigned offset = 1; offset < 32; offset *= 2) {
            const std::uint32_t below = __shfl_up_sync(warp.mask, inclusive, offset);
            inclusive += warp.lane >= offset ? below : 0;
        }
        const std::uint32_t warp_total = __shfl_sync(warp.mask, inclusive, int(warp.lanes) - 1);

        if (threadIdx.x == 0) {
            block_total = 0;
        }
        __syncthreads();
        std::uint32_t warp_start = 0;
        if (warp.lane == 0 && warp_total != 0) {
            warp_start = atomicAdd(&block_total, warp_total);
        }
        warp_start = __shfl_sync(warp.mask, warp_start, 0);
        __syncthreads();
        if (threadIdx.x == 0 && block_total != 0) {
            block_start = atomicAdd(&segments.cursors->placed, (unsigned long long)(block_total));
        }
        __syncthreads();

        if (count != 0) {
            segments.starts[voxel] = std::uint32_t(block_start) + warp_start + inclusive - count;
        }
        if (count > kLightPoints) {
            // One atomic gives both the place in the list and the first piece, so pieces ascend along the list.
            const std::uint32_t pieces = (count + kPiecePoints - 1) / kPiecePoints;
            const unsigned long long claimed = atomicAdd(&segments.cursors->heavy, (1ull << 32) + pieces);
            segments.heavy_voxels[claimed >> 32] = voxel;
            segments.heavy_pieces[claimed >> 32] = std::uint32_t(claimed);
        }
    }
}

// The last heavy voxel whose first piece is not after `piece`.
__device__ inline std::uint64_t heavy_voxel_of(const Segments &segments, std::uint64_t piece) {
    std::uint64_t low = 0;
    std::uint64_t high = segments.heavy_count();
    while (low < high) {
        const std::uint64_t middle = low + (high - low) / 2;
        if (segments.heavy_pieces[middle] <= piece) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low - 1;
}

// Reduces the heavy voxels: a warp takes one piece and one chunk of features, its lanes share out the points.
template <typename Dtype, typename Reduction, int Lanes>
__device__ void reduce_heavy(const typename Dtype::Bits *features, std::uint64_t width, const Segments &segments) {
    using Elements = Chunk<typename Dtype::Bits, Lanes>;
    const Warp warp = Warp::current();
    const std::uint64_t warps_per_block = (blockDim.x + 31) / 32;
    const std::uint64_t chunks = width / Lanes;
    const std::uint64_t item_count = segments.piece_count() * chunks;
    for (std::uint64_t item = blockIdx.x * warps_per_block + threadIdx.x / 32; item < item_count;
         item += gridDim.x * warps_per_block) {
        const std::uint64_t piece = item / chunks;
        const std::uint64_t feature = item % chunks * Lanes;
        const std::uint64_t slot = heavy_voxel_of(segments, piece);
        const std::uint64_t voxel = segments.heavy_voxels[slot];
        const std::uint64_t segment_start = segments.starts[voxel];
        const std::uint64_t segment_end = segment_start + segments.counts[voxel];
        const std::uint64_t start = segment_start + (piece - segments.heavy_pieces[slot]) * kPiecePoints;
        const std::uint64_t end = min(start + kPiecePoints, segment_end);
        AccumulatorWord *const words = segments.accumulators + (slot * width + feature) * Reduction::kWords;

        typename Reduction::Running running[Lanes];
        for (std::uint64_t position = start + warp.lane; position < end; position += warp.lanes) {
            const Elements elements = Elements::load(features + segments.order[position] * width + feature);
#pragma unroll
            for (int lane = 0; lane < Lanes; ++lane) {
                running[lane].add(Dtype::widen(elements.lanes[lane]), words + lane * Reduction::kWords);
            }
        }
        __syncwarp(warp.mask);
#pragma unroll
        for (int lane = 0; lane < Lanes; ++lane) {
            for (unsigned offset = 16; offset > 0; offset /= 2) {
                running[lane].merge_from_above(warp, offset, words + lane * Reduction::kWords);
            }
            if (warp.lane == 0) {
                running[lane].publish(words + lane * Reduction::kWords);
            }
        }
    }
}

// Writes the light voxels, empty ones included: a thread takes one chunk of features of one voxel.
template <typename Dtype, typename Reduction, int Lanes>
__device__ void reduce_light(const typename Dtype::Bits *features, std::uint64_t voxel_count, std::uint64_t width,
                             const Segments &segments, float *output) {
    using Elements = Chunk<typename Dtype::Bits, Lanes>;
    for (Walk walk(first_item(), item_stride(), width / Lanes); walk.row < voxel_count; walk.next()) {
        const std::uint32_t count = __ldg(segments.counts + walk.row);
        if (count > kLightPoints) {
            continue;
        }
        const std::uint64_t feature = walk.column * Lanes;
        Chunk<std::uint32_t, Lanes> result = {};
        if (count != 0) {
            const std::uint64_t start = segments.starts[walk.row];
            typename Reduction::Serial serial[Lanes];
            typename Reduction::Reserve reserve[Lanes];
            for (std::uint64_t position = start; position < start + count; ++position) {
                const Elements elements = Elements::load(features + segments.order[position] * width + feature);
#pragma unroll
                for (int lane = 0; lane < Lanes; ++lane) {
                    serial[lane].add(Dtype::widen(elements.lanes[lane]), reserve[lane]);
                }
            }
#pragma unroll
            for (int lane = 0; lane < Lanes; ++lane) {
                result.lanes[lane] = __float_as_uint(serial[lane].finish(count, reserve[lane]));
            }
        }
        result.store(reinterpret_cast<std::uint32_t *>(output) + walk.row * width + feature);
    }
}

template <typename Dtype, typename Reduction>
__device__ void reduce(const typename Dtype::Bits *features, std::uint64_t voxel_count, std::uint64_t width,
                       const Segments &segments, float *output) {
    using Bits = typename Dtype::Bits;
    const bool by_four =
        widest_access(address_of(features) | width * sizeof(Bits)) >= 4 * sizeof(Bits) &&
        widest_access(address_of(output) | width * sizeof(float)) >= 4 * sizeof(float);
    if (width == 0) {
        return;
    }
    if (by_four) {
        reduce_heavy<Dtype, Reduction, 4>(features, width, segments);
        reduce_light<Dtype, Reduction, 4>(features, voxel_count, width, segments, output);
    } else {
        reduce_heavy<Dtype, Reduction, 1>(features, width, segments);
        reduce_light<Dtype, Reduction, 1>(features, voxel_count, width, segments, output);
    }
}

// Accumulators of the heavy voxels -> output.
template <typename Reduction>
__device__ void finish(std::uint64_t width, const Segments &segments, float *output) {
    if (width == 0) {
        return;
    }
    const std::uint64_t heavy_count = segments.heavy_count();
    for (Walk walk(first_item(), item_stride(), width); walk.row < heavy_count; walk.next()) {
        const std::uint64_t voxel = segments.heavy_voxels[walk.row];
        const AccumulatorWord *words =
            segments.accumulators + (walk.row * width + walk.column) * Reduction::kWords;
        output[voxel * width + walk.column] = Reduction::finish(words, segments.counts[voxel]);
    }
}

} // namespace robocache

using robocache::Grid;
using robocache::Segments;

// Zeroes `word_count` words (an i32 output, or the counts of the workspace), the drop counter, and the cursors if
// there are any.
ROBOCACHE_KERNEL voxelize_clear(std::uint32_t *words, std::uint64_t word_count, std::int64_t *dropped,
                                robocache::Cursors *cursors) {
    const bool aligned = robocache::widest_access(robocache::address_of(words)) == 16;
    const std::uint64_t vectors = aligned ? word_count / 4 : 0;
    for (std::uint64_t i = robocache::first_item(); i < vectors; i += robocache::item_stride()) {
        reinterpret_cast<uint4 *>(words)[i] = make_uint4(0, 0, 0, 0);
    }
    for (std::uint64_t i = 4 * vectors + robocache::first_item(); i < word_count; i += robocache::item_stride()) {
        words[i] = 0;
    }
    if (robocache::first_item() == 0) {
        *dropped = 0;
        if (cursors != nullptr) {
            *cursors = {0, 0};
        }
    }
}

// voxels [X, Y, Z]: the number of points in each voxel.
ROBOCACHE_KERNEL voxelize_count(const float *points, std::uint64_t point_count,
                                const __grid_constant__ Grid grid, std::int32_t *voxels,
                                std::int64_t *dropped) {
    robocache::for_each_point(points, point_count, grid, dropped, [=](std::uint64_t, std::uint64_t voxel, bool) {
        robocache::enter_voxel(reinterpret_cast<std::uint32_t *>(voxels), voxel);
    });
}

// voxels [X, Y, Z]: 1 where a point lies, else 0. Threads that meet write the same value.
ROBOCACHE_KERNEL voxelize_occupancy(const float *points, std::uint64_t point_count,
                                    const __grid_constant__ Grid grid, std::int32_t *voxels,
                                    std::int64_t *dropped) {
    robocache::for_each_point(points, point_count, grid, dropped, [=](std::uint64_t, std::uint64_t voxel, bool) {
        if (voxel != robocache::kDropped) {
            voxels[voxel] = 1;
        }
    });
}

ROBOCACHE_KERNEL voxelize_index(const float *points, std::uint64_t point_count,
                                const __grid_constant__ Grid grid,
                                const __grid_constant__ Segments segments, std::int64_t *dropped) {
    std::uint32_t *const counts = segments.counts;
    std::uint64_t *const voxels = segments.voxels;
    std::uint32_t *const ranks = segments.ranks;
    robocache::for_each_point(points, point_count, grid, dropped,
                              [=](std::uint64_t point, std::uint64_t voxel, bool exists) {
                                  const std::uint32_t rank = robocache::enter_voxel(counts, voxel);
                                  if (exists) {
                                      voxels[point] = voxel;
                                      ranks[point] = rank;
                                  }
                              });
}

ROBOCACHE_KERNEL voxelize_allocate(std::uint64_t point_count, const __grid_constant__ Segments segments) {
    robocache::allocate(point_count, segments);
}

// `accumulator_words` is the number of words for one heavy voxel: F times those of the reduction.
ROBOCACHE_KERNEL voxelize_scatter(std::uint64_t point_count, std::uint64_t accumulator_words,
                                  const __grid_constant__ Segments segments) {
    for (std::uint64_t point = robocache::first_item(); point < point_count; point += robocache::item_stride()) {
        const std::uint64_t voxel = segments.voxels[point];
        if (voxel != robocache::kDropped) {
            segments.order[segments.starts[voxel] + segments.ranks[point]] = std::uint32_t(point);
        }
    }
    const std::uint64_t word_count = segments.heavy_count() * accumulator_words;
    for (std::uint64_t i = robocache::first_item(); i < word_count; i += robocache::item_stride()) {
        segments.accumulators[i] = 0;
    }
}

// output [X, Y, Z, F] for light voxels; partial results in the accumulators for heavy ones.
#define ROBOCACHE_REDUCE(SUFFIX, DTYPE, REDUCTION) \
    ROBOCACHE_KERNEL voxelize_##SUFFIX(const DTYPE::Bits *features, std::uint64_t voxel_count, std::uint64_t width, \
                                       const __grid_constant__ Segments segments, float *output) { \
        robocache::reduce<DTYPE, REDUCTION>(features, voxel_count, width, segments, output); \
    }

ROBOCACHE_REDUCE(mean_f32, robocache::F32, robocache::Mean)
ROBOCACHE_REDUCE(mean_f16, robocache::F16, robocache::Mean)
ROBOCACHE_REDUCE(mean_bf16, robocache::Bf16, robocache::Mean)
ROBOCACHE_REDUCE(max_f32, robocache::F32, robocache::Maximum)
ROBOCACHE_REDUCE(max_f16, robocache::F16, robocache::Maximum)
ROBOCACHE_REDUCE(max_bf16, robocache::Bf16, robocache::Maximum)

ROBOCACHE_KERNEL voxelize_mean_finish(std::uint64_t width, const __grid_constant__ Segments segments,
                                      float *output) {
    robocache::finish<robocache::Mean>(width, segments, output);
}

ROBOCACHE_KERNEL voxelize_max_finish(std::uint64_t width, const __grid_constant__ Segments segments,
                                     float *output) {
    robocache::finish<robocache::Maximum>(width, segments, output);
}
