// voxelize: points [N, 3] and features [N, F] -> a dense grid, x slowest, and the number of dropped points.
//
// `count` and `occupancy` are two launches: the grid is cleared, and then marked by integer atomics.
//
// `mean` and `max` gather, in four launches: an index of the points by voxel is cleared and built, and then whoever writes
// a voxel reads its points. Floats are never combined by atomics, and every output element is written once, empty voxels
// included. Voxels of very many points are left to the last launch, whose phases are separated by barriers of the grid.
#include <cooperative_groups.h>

#include "heavy_voxels.cuh"

namespace robocache {

// Calls mark(voxel, points) for every voxel that points lie in, for some of its points at a time. The first point's
// voxel is computed while the grid is still being cleared.
template <typename Mark>
__device__ void mark_voxels(const Cloud &cloud, const Grid &grid, std::int64_t *dropped_result, const Mark &mark) {
    const Warp warp = Warp::current();
    std::uint64_t point = first_item();
    std::uint64_t voxel = voxel_of(cloud, point, grid);
    wait_for_previous_kernel();
    std::uint32_t dropped = 0;
    // All threads of a block take every step together, as warp operations need.
    for (std::uint64_t base = point - threadIdx.x; base < cloud.point_count; base += item_stride()) {
        if (point >= item_stride()) {
            voxel = voxel_of(cloud, point, grid);
        }
        dropped += point < cloud.point_count && voxel == kDropped ? 1 : 0;
        const Peers peers = Peers::of(warp, voxel, voxel != kDropped);
        if (voxel != kDropped && warp.lane == peers.lowest()) {
            mark(voxel, peers.count());
        }
        point += item_stride();
    }
    report_dropped(dropped, dropped_result);
}

// The lanes that write voxels together: a warp, or a whole block that is smaller.
struct Writers {
    std::uint32_t lane, lanes, mask;
    std::uint32_t group, groups; // of this lane, and in the block; what is left of a block belongs to no group

    __device__ static Writers current() {
        if (blockDim.x < 32) {
            return {threadIdx.x, blockDim.x, (1u << blockDim.x) - 1u, 0, 1};
        }
        return {threadIdx.x % 32, 32, 0xFFFFFFFFu, threadIdx.x / 32, blockDim.x / 32};
    }

    // Log2 of how many of them share a row of so many chunks: as many as it has, or all.
    __device__ std::uint32_t log2_of_row(std::uint32_t chunks) const {
        return chunks <= 1 ? 0 : min(31 - __clz(int(lanes)), 32 - __clz(int(chunks - 1)));
    }
};

// Without the lowest bits that are set.
__device__ inline std::uint32_t without_lowest(std::uint32_t bits, std::uint32_t count) {
    for (; bits != 0 && count != 0; --count) {
        bits &= bits - 1;
    }
    return bits;
}

// Writes the voxels that several points share: those of some writers, each of which brings its voxel's word. All share
// out the chunks of features.
template <typename Dtype, typename Reduction, int Lanes>
__device__ void write_shared(const Writers &writers, std::uint32_t shared, std::uint32_t word,
                             std::uint64_t first_voxel, const typename Dtype::Bits *features, std::uint32_t width,
                             const PointIndex &index, const HeavyVoxels &heavy_voxels, std::uint32_t *output) {
    using Elements = Chunk<typename Dtype::Bits, Lanes>;
    const std::uint32_t chunks = width / Lanes;
    const std::uint32_t log2_threads = writers.log2_of_row(chunks);
    const std::uint32_t rows_at_once = writers.lanes >> log2_threads;
    const std::uint32_t first_row = writers.lane >> log2_threads;
    for (std::uint32_t left = shared; left != 0; left = without_lowest(left, rows_at_once)) {
        const std::uint32_t mine = without_lowest(left, first_row);
        const std::uint32_t row = mine == 0 ? 0 : std::uint32_t(__ffs(int(mine))) - 1;
        const std::uint32_t head = __shfl_sync(writers.mask, word, int(row)) & ~kShared;
        if (mine == 0 || first_row >= rows_at_once) {
            continue;
        }
        const std::uint32_t first_chunk = writers.lane & ((1u << log2_threads) - 1u);
        for (std::uint32_t chunk = first_chunk; chunk < chunks; chunk += 1u << log2_threads) {
            typename Reduction::Serial serial[Lanes];
            typename Reduction::Reserve reserve[Lanes];
            std::uint32_t link = head;
            std::uint32_t count = 0;
            while (link != kEmpty && count < kLightPoints) {
                const std::uint64_t point = link - 1;
                link = index.next[point];
                const Elements elements = Elements::load(features + point * width + chunk * Lanes);
#pragma unroll
                for (int lane = 0; lane < Lanes; ++lane) {
                    serial[lane].add(Dtype::widen(elements.lanes[lane]), reserve[lane]);
                }
                ++count;
            }
            if (link == kEmpty) {
                Chunk<std::uint32_t, Lanes> result;
#pragma unroll
                for (int lane = 0; lane < Lanes; ++lane) {
                    result.lanes[lane] = __float_as_uint(serial[lane].finish(count, reserve[lane]));
                }
                result.store(output + (first_voxel + row) * width + chunk * Lanes);
            } else if (chunk == 0) {
                heavy_voxels.add(index, first_voxel + row);
            }
        }
    }
}

// Voxels whose features one thread has on their way.
constexpr std::uint32_t kVoxelsInFlight = 4;

// Writes as many voxels as there are writers, side by side: those that are empty or have one point, and then the others.
template <typename Dtype, typename Reduction, int Lanes>
__device__ void write_voxels(const Writers &writers, std::uint64_t first_voxel, std::uint64_t voxel_count,
                             const typename Dtype::Bits *features, std::uint32_t width, const PointIndex &index,
                             const HeavyVoxels &heavy_voxels, std::uint32_t *output) {
    using Elements = Chunk<typename Dtype::Bits, Lanes>;
    const bool exists = first_voxel + writers.lane < voxel_count;
    // What is not to be written here, because it does not exist, is taken for shared.
    const std::uint32_t word = exists ? __ldcg(index.table + first_voxel + writers.lane) : kShared;
    const std::uint32_t chunks = width / Lanes;
    const std::uint32_t log2_threads = writers.log2_of_row(chunks);
    const std::uint32_t rows_at_once = writers.lanes >> log2_threads;
    const std::uint32_t first_row = writers.lane >> log2_threads;
    // All writers take every step together, as they exchange words.
    for (std::uint32_t first_chunk = 0; first_chunk < chunks; first_chunk += 1u << log2_threads) {
        const std::uint32_t chunk = first_chunk + (writers.lane & ((1u << log2_threads) - 1u));
        const bool writes = chunk < chunks && first_row < rows_at_once;
        const typename Dtype::Bits *const source = features + chunk * Lanes;
        std::uint32_t *const target = output + first_voxel * width + chunk * Lanes;
        for (std::uint32_t base = first_row; base < writers.lanes + first_row; base += kVoxelsInFlight * rows_at_once) {
            std::uint32_t words[kVoxelsInFlight];
            Elements elements[kVoxelsInFlight];
#pragma unroll
            for (std::uint32_t i = 0; i < kVoxelsInFlight; ++i) {
                const std::uint32_t row = base + i * rows_at_once;
                const std::uint32_t found = __shfl_sync(writers.mask, word, int(row));
                words[i] = writes && row < writers.lanes ? found : kShared;
            }
            // Apart from the exchange, which would have each load wait for the one before it.
#pragma unroll
            for (std::uint32_t i = 0; i < kVoxelsInFlight; ++i) {
                const bool alone = words[i] != kEmpty && !(words[i] & kShared);
                elements[i] = Elements::load_if(alone, source + std::uint64_t(words[i] - 1) * width);
            }
#pragma unroll
            for (std::uint32_t i = 0; i < kVoxelsInFlight; ++i) {
                if (!(words[i] & kShared)) {
                    // An empty voxel's is that of one zero.
                    Chunk<std::uint32_t, Lanes> result;
#pragma unroll
                    for (int lane = 0; lane < Lanes; ++lane) {
                        const float value = Dtype::widen(elements[i].lanes[lane]);
                        result.lanes[lane] = __float_as_uint(Reduction::of_one(value));
                    }
                    result.store(target + std::uint64_t(base + i * rows_at_once) * width);
                }
            }
        }
    }
    const std::uint32_t shared = __ballot_sync(writers.mask, exists && (word & kShared) != 0);
    if (shared != 0) {
        constexpr int kSharedLanes = Lanes < Reduction::kMostLanes ? Lanes : Reduction::kMostLanes;
        write_shared<Dtype, Reduction, kSharedLanes>(writers, shared, word, first_voxel, features, width, index,
                                                     heavy_voxels, output);
    }
}

// Whether rows of features can be read, and rows of the output written, four elements at a time.
template <typename Bits>
__device__ bool by_four(const Bits *features, std::uint64_t width, const float *output) {
    return widest_access(address_of(features) | width * sizeof(Bits)) >= 4 * sizeof(Bits) &&
           widest_access(address_of(output) | width * sizeof(float)) >= 4 * sizeof(float);
}

// Writes all voxels but the heavy ones, which it finds. Blocks write in the order in which they begin, which is that of
// memory: DRAM writes a narrow window fast, and a wide one slowly.
template <typename Dtype, typename Reduction>
__device__ void reduce_voxels(const PointIndex &index, const HeavyVoxels &heavy_voxels, std::uint64_t voxel_count,
                              const typename Dtype::Bits *features, std::uint64_t features_width, float *output) {
    // Fewer than 2^31 features.
    const std::uint32_t width = std::uint32_t(features_width);
    allow_next_kernel();
    wait_for_previous_kernel();
    const Writers writers = Writers::current();
    if (writers.group >= writers.groups) {
        return;
    }
    std::uint32_t *const bits = reinterpret_cast<std::uint32_t *>(output);
    const bool vectors = by_four(features, width, output);
    const std::uint32_t voxels_of_block = writers.groups * writers.lanes;
    for (std::uint64_t first = std::uint64_t(blockIdx.x) * voxels_of_block + writers.group * writers.lanes;
         first < voxel_count; first += std::uint64_t(gridDim.x) * voxels_of_block) {
        if (vectors) {
            write_voxels<Dtype, Reduction, 4>(writers, first, voxel_count, features, width, index, heavy_voxels, bits);
        } else {
            write_voxels<Dtype, Reduction, 1>(writers, first, voxel_count, features, width, index, heavy_voxels, bits);
        }
    }
}

// Writes the heavy voxels. All blocks are resident at once.
template <typename Dtype, typename Reduction>
__device__ void reduce_heavy(const Cloud &cloud, const Grid &grid, const PointIndex &index,
                             const HeavyVoxels &heavy_voxels, const typename Dtype::Bits *features,
                             std::uint64_t width, float *output) {
    wait_for_previous_kernel();
    // The same for all blocks: no voxel becomes heavy any more.
    if (heavy_voxels.count() == 0) {
        return;
    }
    const cooperative_groups::grid_group all = cooperative_groups::this_grid();
    count(heavy_voxels, index, cloud, grid, width * Reduction::kWords);
    all.sync();
    allocate(heavy_voxels);
    all.sync();
    scatter(heavy_voxels, index, cloud, grid);
    all.sync();
    if (by_four(features, width, output)) {
        reduce_pieces<Dtype, Reduction, 4>(heavy_voxels, features, width);
    } else {
        reduce_pieces<Dtype, Reduction, 1>(heavy_voxels, features, width);
    }
    all.sync();
    finish<Reduction>(heavy_voxels, width, output);
}

} // namespace robocache

using robocache::Cloud;
using robocache::Grid;
using robocache::HeavyVoxels;
using robocache::PointIndex;

// voxels [X, Y, Z]: zero, which for a table of the index says that they are empty.
ROBOCACHE_KERNEL(32) voxelize_clear(const __grid_constant__ Grid grid, std::int32_t *voxels, std::int64_t *dropped) {
    robocache::wait_for_previous_kernel();
    robocache::allow_next_kernel();
    robocache::clear(reinterpret_cast<std::uint32_t *>(voxels), grid.voxel_count());
    if (robocache::first_item() == 0) {
        *dropped = 0;
    }
}

// voxels [X, Y, Z]: the number of points in each voxel.
ROBOCACHE_KERNEL(32) voxelize_count(const __grid_constant__ Cloud cloud, const __grid_constant__ Grid grid,
                                    std::int32_t *voxels, std::int64_t *dropped) {
    robocache::mark_voxels(cloud, grid, dropped, [=](std::uint64_t voxel, std::uint32_t points) {
        atomicAdd(voxels + voxel, int(points));
    });
}

// voxels [X, Y, Z]: 1 where a point lies, else 0. An atomic, because it is sooner done than a store of part of a
// sector.
ROBOCACHE_KERNEL(32) voxelize_occupancy(const __grid_constant__ Cloud cloud, const __grid_constant__ Grid grid,
                                    std::int32_t *voxels, std::int64_t *dropped) {
    robocache::mark_voxels(cloud, grid, dropped, [=](std::uint64_t voxel, std::uint32_t) {
        atomicOr(voxels + voxel, 1);
    });
}

// The index, whose table is clear.
ROBOCACHE_KERNEL(32) voxelize_index(const __grid_constant__ Cloud cloud, const __grid_constant__ Grid grid,
                                    const __grid_constant__ PointIndex index, robocache::Cursors *cursors,
                                    std::int64_t *dropped) {
    robocache::allow_next_kernel();
    if (robocache::first_item() == 0) {
        robocache::wait_for_previous_kernel();
        *cursors = {0, 0, 0, 0};
    }
    robocache::insert(index, cloud, grid, dropped);
}

// output [X, Y, Z, F]
#define ROBOCACHE_REDUCE(SUFFIX, REGISTERS, DTYPE, REDUCTION) \
    ROBOCACHE_KERNEL(REGISTERS) voxelize_##SUFFIX( \
        const __grid_constant__ PointIndex index, const __grid_constant__ HeavyVoxels heavy_voxels, \
        std::uint64_t voxel_count, const DTYPE::Bits *features, std::uint64_t width, float *output) { \
        robocache::reduce_voxels<DTYPE, REDUCTION>(index, heavy_voxels, voxel_count, features, width, output); \
    } \
    ROBOCACHE_KERNEL(64) voxelize_heavy_##SUFFIX( \
        const __grid_constant__ Cloud cloud, const __grid_constant__ Grid grid, \
        const __grid_constant__ PointIndex index, const __grid_constant__ HeavyVoxels heavy_voxels, \
        const DTYPE::Bits *features, std::uint64_t width, float *output) { \
        robocache::reduce_heavy<DTYPE, REDUCTION>(cloud, grid, index, heavy_voxels, features, width, output); \
    }

ROBOCACHE_REDUCE(mean_f32, 40, robocache::F32, robocache::Mean)
ROBOCACHE_REDUCE(mean_f16, 40, robocache::F16, robocache::Mean)
ROBOCACHE_REDUCE(mean_bf16, 40, robocache::Bf16, robocache::Mean)
ROBOCACHE_REDUCE(max_f32, 48, robocache::F32, robocache::Maximum)
ROBOCACHE_REDUCE(max_f16, 48, robocache::F16, robocache::Maximum)
ROBOCACHE_REDUCE(max_bf16, 48, robocache::Bf16, robocache::Maximum)
