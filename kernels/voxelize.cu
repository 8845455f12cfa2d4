// voxelize: points [N, 3] and features [N, F] -> a dense grid, x slowest, and the number of dropped points.
//
// `count` and `occupancy` are two launches: the grid is cleared, and then marked by integer atomics.
//
// `mean` and `max` gather, in one cooperative launch, whose phases are separated by barriers of the whole grid, so that
// all blocks must be resident at once. An index of the points by voxel is built first, and then whoever writes a voxel
// reads its points: floats are never combined by atomics, and every output element is written once, empty voxels
// included. Heavy voxels are reduced by many warps into integer accumulators, which the last phase reads.
#include <cooperative_groups.h>

#include "point_index.cuh"
#include "reduction.cuh"

namespace robocache {

// Calls mark(voxel, points) for every voxel that points lie in, for some of its points at a time. The first point's
// voxel is computed while the grid is still being cleared.
template <typename Mark>
__device__ void mark_voxels(const Cloud &cloud, const Grid &grid, std::int64_t *dropped_result, const Mark &mark) {
    const Warp warp = Warp::current();
    std::uint64_t point = first_item();
    std::uint64_t voxels[1];
    voxels_of(cloud, point, 0, grid, voxels);
    wait_for_previous_kernel();
    std::uint32_t dropped = 0;
    // All threads of a block take every step together, as warp operations need.
    for (std::uint64_t base = point - threadIdx.x; base < cloud.point_count; base += item_stride()) {
        const std::uint64_t voxel = voxels[0];
        dropped += point < cloud.point_count && voxel == kDropped ? 1 : 0;
        for_each_group(warp, voxel, voxel != kDropped, [&](const Peers &peers) {
            if (warp.lane == peers.lowest()) {
                mark(voxel, peers.count());
            }
        });
        point += item_stride();
        voxels_of(cloud, point, 0, grid, voxels);
    }
    report_dropped(dropped, dropped_result);
}

// Reduces the heavy voxels: a warp takes one piece and one chunk of features, its lanes share out the points.
template <typename Dtype, typename Reduction, int Lanes>
__device__ void reduce_heavy(const typename Dtype::Bits *features, std::uint64_t width, const PointIndex &index) {
    using Elements = Chunk<typename Dtype::Bits, Lanes>;
    const Warp warp = Warp::current();
    const std::uint64_t warps_per_block = (blockDim.x + 31) / 32;
    const std::uint64_t chunks = width / Lanes;
    const std::uint64_t item_count = index.piece_count() * chunks;
    for (std::uint64_t item = blockIdx.x * warps_per_block + threadIdx.x / 32; item < item_count;
         item += gridDim.x * warps_per_block) {
        const std::uint64_t piece = item / chunks;
        const std::uint64_t feature = item % chunks * Lanes;
        const std::uint64_t heavy = index.pieces[piece];
        const std::uint32_t slot = index.heavy_slots[heavy];
        const std::uint64_t segment_start = index.starts[slot];
        const std::uint64_t segment_end = segment_start + __ldcg(index.counts + slot);
        const std::uint64_t start = segment_start + (piece - index.first_pieces[heavy]) * kPiecePoints;
        const std::uint64_t end = min(start + kPiecePoints, segment_end);
        AccumulatorWord *const words = index.accumulators + (heavy * width + feature) * Reduction::kWords;

        typename Reduction::Running running[Lanes];
        for (std::uint64_t position = start + warp.lane; position < end; position += warp.lanes) {
            const Elements elements = Elements::load(features + index.order[position] * width + feature);
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

// Writes the shared voxels that are light. A warp looks through some points for those that own a slot, and its lanes
// share out the chunks of features of the voxels found.
template <typename Dtype, typename Reduction, int Lanes>
__device__ void reduce_shared(const typename Dtype::Bits *features, std::uint64_t width, const Cloud &cloud,
                              const Grid &grid, const PointIndex &index, std::uint32_t *output) {
    using Elements = Chunk<typename Dtype::Bits, Lanes>;
    const Warp warp = Warp::current();
    const std::uint64_t chunks = width / Lanes;
    for (std::uint64_t base = std::uint64_t(blockIdx.x) * blockDim.x; base < cloud.point_count; base += item_stride()) {
        const std::uint64_t point = base + threadIdx.x;
        const bool owner =
            point < cloud.point_count && index.owners[point] != 0 && __ldcg(index.counts + point) <= kLightPoints;
        const unsigned owners = __ballot_sync(warp.mask, owner);
        const std::uint64_t item_count = std::uint64_t(__popc(owners)) * chunks;
        for (std::uint64_t item = warp.lane; item < item_count; item += warp.lanes) {
            const Division place(item, chunks);
            const std::uint64_t slot = point - warp.lane + __fns(owners, 0, int(place.quotient) + 1);
            const std::uint64_t column = place.remainder * Lanes;
            const std::uint32_t count = __ldcg(index.counts + slot);
            std::uint64_t voxel[1];
            voxels_of(cloud, slot, 0, grid, voxel);
            typename Reduction::Serial serial[Lanes];
            typename Reduction::Reserve reserve[Lanes];
            std::uint32_t member = __ldcg(index.heads + slot);
            for (std::uint32_t i = 0; i < count; ++i) {
                const Elements elements = Elements::load(features + member * width + column);
                member = i + 1 < count ? index.next[member] : kNone;
#pragma unroll
                for (int lane = 0; lane < Lanes; ++lane) {
                    serial[lane].add(Dtype::widen(elements.lanes[lane]), reserve[lane]);
                }
            }
            Chunk<std::uint32_t, Lanes> result;
#pragma unroll
            for (int lane = 0; lane < Lanes; ++lane) {
                result.lanes[lane] = __float_as_uint(serial[lane].finish(count, reserve[lane]));
            }
            result.store(output + voxel[0] * width + column);
        }
    }
}

// Chunks of features that one thread writes at a time, while those of the next time are on their way.
constexpr int kChunksAtATime = 2;

// Some chunks of features on their way to one thread, and the words of their voxels.
template <typename Elements> struct Batch {
    std::uint32_t words[kChunksAtATime];
    Elements elements[kChunksAtATime];
};

// Voxels that one lane takes of a tile.
constexpr std::uint32_t kVoxelsOfLane = 8;

// Writes those of the voxels from `first` to `end` that are empty or have one point. Each lane of the warp reads one
// word, and then all write the chunks of that many voxels side by side. The next chunks are loaded before these are
// written, and the words of the next voxels before that.
template <typename Dtype, typename Reduction, int Lanes>
__device__ void reduce_alone(const typename Dtype::Bits *features, std::uint64_t width, const std::uint32_t *table,
                             std::uint64_t first, std::uint64_t end, std::uint32_t lane, std::uint32_t lanes,
                             std::uint32_t *output) {
    using Elements = Chunk<typename Dtype::Bits, Lanes>;
    const std::uint32_t mask = lanes == 32 ? 0xFFFFFFFFu : (1u << lanes) - 1u;
    const std::uint32_t chunks = std::uint32_t(width / Lanes);
    // What is not to be written here, because it does not exist, is taken for shared.
    const auto word_of = [&](std::uint64_t group) { return group + lane < end ? table[group + lane] : kShared; };
    const auto load = [&](std::uint32_t word, Walk<std::uint32_t> item) {
        Batch<Elements> batch;
#pragma unroll
        for (int i = 0; i < kChunksAtATime; ++i) {
            const std::uint32_t found = __shfl_sync(mask, word, int(item.row));
            batch.words[i] = item.row < lanes ? found : kShared;
            if (batch.words[i] != kEmpty && !(batch.words[i] & kShared)) {
                batch.elements[i] = Elements::load(features + (batch.words[i] - 1) * width + item.column * Lanes);
            }
            item.next();
        }
        return batch;
    };

    const Walk<std::uint32_t> first_items(lane, lanes, chunks);
    std::uint32_t word = word_of(first);
    std::uint32_t next_word = word_of(first + lanes);
    std::uint32_t step = 0;
    Walk<std::uint32_t> item = first_items;
    Batch<Elements> batch = load(word, item);
    while (first < end) {
        std::uint32_t *const target = output + first * width;
        std::uint64_t places[kChunksAtATime];
#pragma unroll
        for (int i = 0; i < kChunksAtATime; ++i) {
            places[i] = item.row * width + item.column * Lanes;
            item.next();
        }
        step += kChunksAtATime;
        if (step >= chunks) {
            step = 0;
            item = first_items;
            first += lanes;
            word = next_word;
            next_word = word_of(first + lanes);
        }
        const Batch<Elements> next_batch = load(word, item);
#pragma unroll
        for (int i = 0; i < kChunksAtATime; ++i) {
            if (!(batch.words[i] & kShared)) {
                Chunk<std::uint32_t, Lanes> result = {};
                if (batch.words[i] != kEmpty) {
#pragma unroll
                    for (int element = 0; element < Lanes; ++element) {
                        result.lanes[element] =
                            __float_as_uint(Reduction::of_one(Dtype::widen(batch.elements[i].lanes[element])));
                    }
                }
                result.store(target + places[i]);
            }
        }
        batch = next_batch;
    }
}

// Writes all voxels that are empty or have one point, in tiles that the blocks take in the order in which they lie in
// memory: DRAM writes a narrow window fast, and a wide one, as blocks that drift apart would make it, slowly.
template <typename Dtype, typename Reduction, int Lanes>
__device__ void reduce_tiles(const typename Dtype::Bits *features, std::uint64_t voxel_count, std::uint64_t width,
                             const PointIndex &index, std::uint32_t *output) {
    __shared__ std::uint32_t next_tile;
    const std::uint32_t lanes = min(32u, blockDim.x);
    const std::uint32_t warp = threadIdx.x / lanes;
    const std::uint32_t warps = blockDim.x / lanes;
    const std::uint64_t voxels_of_warp = std::uint64_t(lanes) * kVoxelsOfLane;
    const std::uint64_t voxels_of_tile = warps * voxels_of_warp;
    std::uint64_t tile = blockIdx.x;
    __syncthreads();
    while (tile * voxels_of_tile < voxel_count) {
        std::uint32_t claimed = 0;
        if (threadIdx.x == 0) {
            claimed = atomicAdd(&index.cursors->tiles, 1u);
        }
        // The rest of a block that is no multiple of a warp does nothing.
        if (warp < warps) {
            const std::uint64_t first = tile * voxels_of_tile + warp * voxels_of_warp;
            reduce_alone<Dtype, Reduction, Lanes>(features, width, index.table, first,
                                                  min(first + voxels_of_warp, voxel_count), threadIdx.x % lanes, lanes,
                                                  output);
        }
        if (threadIdx.x == 0) {
            next_tile = claimed;
        }
        __syncthreads();
        tile = std::uint64_t(gridDim.x) + next_tile;
        __syncthreads();
    }
}

// Accumulators of the heavy voxels -> output.
template <typename Reduction>
__device__ void finish(std::uint64_t width, const PointIndex &index, float *output) {
    const std::uint64_t heavy_count = index.heavy_count();
    for (Walk<std::uint64_t> walk(first_item(), item_stride(), width); walk.row < heavy_count; walk.next()) {
        const AccumulatorWord *words = index.accumulators + (walk.row * width + walk.column) * Reduction::kWords;
        output[index.heavy_voxels[walk.row] * width + walk.column] =
            Reduction::finish(words, __ldcg(index.counts + index.heavy_slots[walk.row]));
    }
}

// Whether rows of features can be read, and rows of the output written, four elements at a time.
template <typename Bits>
__device__ bool by_four(const Bits *features, std::uint64_t width, const float *output) {
    return widest_access(address_of(features) | width * sizeof(Bits)) >= 4 * sizeof(Bits) &&
           widest_access(address_of(output) | width * sizeof(float)) >= 4 * sizeof(float);
}

// Writes all voxels from the finished index.
template <typename Dtype, typename Reduction, int Lanes>
__device__ void reduce(const Cloud &cloud, const Grid &grid, const PointIndex &index,
                       const typename Dtype::Bits *features, std::uint64_t width, float *output) {
    std::uint32_t *const bits = reinterpret_cast<std::uint32_t *>(output);
    // The same for all blocks: no voxel becomes heavy any more.
    const bool any_heavy = index.heavy_count() != 0;
    if (any_heavy) {
        reduce_heavy<Dtype, Reduction, Lanes>(features, width, index);
    }
    reduce_shared<Dtype, Reduction, Lanes>(features, width, cloud, grid, index, bits);
    reduce_tiles<Dtype, Reduction, Lanes>(features, grid.voxel_count(), width, index, bits);
    if (any_heavy) {
        cooperative_groups::this_grid().sync();
        finish<Reduction>(width, index, output);
    }
}

template <typename Dtype, typename Reduction>
__device__ void reduce_voxels(const Cloud &cloud, const Grid &grid, const PointIndex &index,
                              const typename Dtype::Bits *features, std::uint64_t width, float *output,
                              std::int64_t *dropped) {
    const cooperative_groups::grid_group all = cooperative_groups::this_grid();
    clear(index, grid.voxel_count());
    if (first_item() == 0) {
        *dropped = 0;
    }
    all.sync();
    insert(index, cloud, grid, dropped);
    all.sync();
    if (index.heavy_count() != 0) {
        allocate(index);
        all.sync();
        scatter(index, cloud, grid, width * Reduction::kWords);
        all.sync();
    }
    if (by_four(features, width, output)) {
        reduce<Dtype, Reduction, 4>(cloud, grid, index, features, width, output);
    } else {
        reduce<Dtype, Reduction, 1>(cloud, grid, index, features, width, output);
    }
}

} // namespace robocache

using robocache::Cloud;
using robocache::Grid;
using robocache::PointIndex;

// voxels [X, Y, Z]: zero.
ROBOCACHE_KERNEL(64) voxelize_clear(const __grid_constant__ Grid grid, std::int32_t *voxels, std::int64_t *dropped) {
    robocache::wait_for_previous_kernel();
    robocache::allow_next_kernel();
    robocache::clear(reinterpret_cast<std::uint32_t *>(voxels), grid.voxel_count());
    if (robocache::first_item() == 0) {
        *dropped = 0;
    }
}

// voxels [X, Y, Z]: the number of points in each voxel.
ROBOCACHE_KERNEL(64) voxelize_count(const __grid_constant__ Cloud cloud, const __grid_constant__ Grid grid,
                                std::int32_t *voxels, std::int64_t *dropped) {
    robocache::mark_voxels(cloud, grid, dropped, [=](std::uint64_t voxel, std::uint32_t points) {
        atomicAdd(voxels + voxel, int(points));
    });
}

// voxels [X, Y, Z]: 1 where a point lies, else 0. An atomic, because it is sooner done than a store of part of a
// sector.
ROBOCACHE_KERNEL(64) voxelize_occupancy(const __grid_constant__ Cloud cloud, const __grid_constant__ Grid grid,
                                    std::int32_t *voxels, std::int64_t *dropped) {
    robocache::mark_voxels(cloud, grid, dropped, [=](std::uint64_t voxel, std::uint32_t) {
        atomicOr(voxels + voxel, 1);
    });
}

// output [X, Y, Z, F]
#define ROBOCACHE_REDUCE(SUFFIX, DTYPE, REDUCTION) \
    ROBOCACHE_KERNEL(64) voxelize_##SUFFIX(const __grid_constant__ Cloud cloud, const __grid_constant__ Grid grid, \
                                       const __grid_constant__ PointIndex index, const DTYPE::Bits *features, \
                                       std::uint64_t width, float *output, std::int64_t *dropped) { \
        robocache::reduce_voxels<DTYPE, REDUCTION>(cloud, grid, index, features, width, output, dropped); \
    }

ROBOCACHE_REDUCE(mean_f32, robocache::F32, robocache::Mean)
ROBOCACHE_REDUCE(mean_f16, robocache::F16, robocache::Mean)
ROBOCACHE_REDUCE(mean_bf16, robocache::Bf16, robocache::Mean)
ROBOCACHE_REDUCE(max_f32, robocache::F32, robocache::Maximum)
ROBOCACHE_REDUCE(max_f16, robocache::F16, robocache::Maximum)
ROBOCACHE_REDUCE(max_bf16, robocache::Bf16, robocache::Maximum)
