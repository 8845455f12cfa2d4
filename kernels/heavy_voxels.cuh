// Voxels of so many points that the one warp which writes a voxel would be slow: their points are listed side by side,
// each voxel's in one segment, and shared out to warps in pieces, which meet in integer accumulators.
//
// Which voxels are heavy turns out while the others are reduced: a walk along a chain that does not end. From then on the
// voxel's word of the table names the heavy voxel. The phases, each finished by all blocks before the next begins:
//   count      point of a heavy voxel -> its rank among them
//   allocate   each heavy voxel claims its segment and its pieces
//   scatter    point of a heavy voxel -> order[start of the segment + rank]
//   reduce     piece -> accumulators
//   finish     accumulators -> output
#pragma once

#include "point_index.cuh"
#include "reduction.cuh"

namespace robocache {

// A voxel with more points than this is heavy: its points are shared out to warps in pieces.
constexpr std::uint32_t kLightPoints = 64;
constexpr std::uint32_t kPiecePoints = 1024;

// In place of a heavy voxel.
constexpr std::uint32_t kNone = 0xFFFFFFFFu;

// Counters that are claimed from during one call.
struct Cursors {
    std::uint32_t heavy;  // heavy voxels
    std::uint32_t placed; // positions of `order` given out
    std::uint32_t pieces; // of all heavy voxels
    std::uint32_t padding;
};

// More of the caller's workspace. N is the number of points; H = N / (kLightPoints + 1) bounds the heavy voxels.
struct HeavyVoxels {
    Cursors *cursors;
    std::uint64_t *voxels;            // [H]
    std::uint32_t *counts;            // [H] points
    std::uint32_t *starts;            // [H] first position in `order`
    std::uint32_t *first_pieces;      // [H] index of the first piece
    std::uint32_t *pieces;            // [N / kPiecePoints + H] the heavy voxel that a piece belongs to
    std::uint32_t *ranks;             // [N] a point's place among those of its heavy voxel
    std::uint32_t *order;             // [N] points of heavy voxels
    AccumulatorWord *accumulators;    // [H, F, words of the reduction]

    __device__ std::uint32_t count() const { return __ldcg(&cursors->heavy); }
    __device__ std::uint32_t piece_count() const { return __ldcg(&cursors->pieces); }

    // Adds a voxel, and has its word name it.
    __device__ void add(const PointIndex &index, std::uint64_t voxel) const {
        const std::uint32_t heavy = atomicAdd(&cursors->heavy, 1u);
        voxels[heavy] = voxel;
        counts[heavy] = 0;
        index.table[voxel] = ~heavy;
    }

    // Whether a word of the table names a heavy voxel, and which one. The word of a light voxel may look as if it did,
    // but that heavy voxel is another one.
    __device__ bool is_named_by(std::uint32_t word, std::uint64_t voxel, std::uint32_t &heavy) const {
        heavy = ~word;
        return heavy < count() && voxels[heavy] == voxel;
    }
};

// The heavy voxel of a point, or kNone.
__device__ inline std::uint32_t heavy_voxel_of(const HeavyVoxels &heavy_voxels, const PointIndex &index,
                                               const Cloud &cloud, const Grid &grid, std::uint64_t point) {
    const std::uint64_t voxel = voxel_of(cloud, point, grid);
    std::uint32_t heavy;
    const bool named = voxel != kDropped && heavy_voxels.is_named_by(index.table[voxel], voxel, heavy);
    return named ? heavy : kNone;
}

// Counts the points of heavy voxels, and zeroes the accumulators: `accumulator_words` for each voxel.
__device__ inline void count(const HeavyVoxels &heavy_voxels, const PointIndex &index, const Cloud &cloud,
                             const Grid &grid, std::uint64_t accumulator_words) {
    const Warp warp = Warp::current();
    // All threads of a block take every step together, as warp operations need.
    for (std::uint64_t base = std::uint64_t(blockIdx.x) * blockDim.x; base < cloud.point_count; base += item_stride()) {
        const std::uint64_t point = base + threadIdx.x;
        const std::uint32_t heavy = heavy_voxel_of(heavy_voxels, index, cloud, grid, point);
        const Peers peers = Peers::of(warp, heavy, heavy != kNone);
        std::uint32_t rank = 0;
        if (heavy != kNone && warp.lane == peers.lowest()) {
            rank = atomicAdd(heavy_voxels.counts + heavy, peers.count());
        }
        rank = __shfl_sync(warp.mask, rank, int(peers.lowest())) + peers.rank(warp.lane);
        if (heavy != kNone) {
            heavy_voxels.ranks[point] = rank;
        }
    }
    const std::uint64_t word_count = heavy_voxels.count() * accumulator_words;
    for (std::uint64_t i = first_item(); i < word_count; i += item_stride()) {
        heavy_voxels.accumulators[i] = 0;
    }
}

// Heavy voxels claim their segments and pieces.
__device__ inline void allocate(const HeavyVoxels &heavy_voxels) {
    const std::uint32_t heavy_count = heavy_voxels.count();
    for (std::uint64_t heavy = first_item(); heavy < heavy_count; heavy += item_stride()) {
        const std::uint32_t count = __ldcg(heavy_voxels.counts + heavy);
        const std::uint32_t pieces = (count - 1) / kPiecePoints + 1;
        heavy_voxels.starts[heavy] = atomicAdd(&heavy_voxels.cursors->placed, count);
        const std::uint32_t first = atomicAdd(&heavy_voxels.cursors->pieces, pieces);
        heavy_voxels.first_pieces[heavy] = first;
        for (std::uint32_t piece = 0; piece < pieces; ++piece) {
            heavy_voxels.pieces[first + piece] = std::uint32_t(heavy);
        }
    }
}

// Lists the points of heavy voxels.
__device__ inline void scatter(const HeavyVoxels &heavy_voxels, const PointIndex &index, const Cloud &cloud,
                               const Grid &grid) {
    for (std::uint64_t point = first_item(); point < cloud.point_count; point += item_stride()) {
        const std::uint32_t heavy = heavy_voxel_of(heavy_voxels, index, cloud, grid, point);
        if (heavy != kNone) {
            heavy_voxels.order[heavy_voxels.starts[heavy] + heavy_voxels.ranks[point]] = std::uint32_t(point);
        }
    }
}

// Reduces pieces: a warp takes one piece and one chunk of features, its lanes share out the points.
template <typename Dtype, typename Reduction, int Lanes>
__device__ void reduce_pieces(const HeavyVoxels &heavy_voxels, const typename Dtype::Bits *features,
                              std::uint64_t width) {
    using Elements = Chunk<typename Dtype::Bits, Lanes>;
    const Warp warp = Warp::current();
    const std::uint64_t warps_per_block = (blockDim.x + 31) / 32;
    const std::uint64_t chunks = width / Lanes;
    const std::uint64_t item_count = heavy_voxels.piece_count() * chunks;
    for (std::uint64_t item = blockIdx.x * warps_per_block + threadIdx.x / 32; item < item_count;
         item += gridDim.x * warps_per_block) {
        const std::uint64_t piece = item / chunks;
        const std::uint64_t feature = item % chunks * Lanes;
        const std::uint64_t heavy = heavy_voxels.pieces[piece];
        const std::uint64_t segment_start = heavy_voxels.starts[heavy];
        const std::uint64_t segment_end = segment_start + __ldcg(heavy_voxels.counts + heavy);
        const std::uint64_t start = segment_start + (piece - heavy_voxels.first_pieces[heavy]) * kPiecePoints;
        const std::uint64_t end = min(start + kPiecePoints, segment_end);
        AccumulatorWord *const words = heavy_voxels.accumulators + (heavy * width + feature) * Reduction::kWords;

        typename Reduction::Running running[Lanes];
        for (std::uint64_t position = start + warp.lane; position < end; position += warp.lanes) {
            const Elements elements = Elements::load(features + heavy_voxels.order[position] * width + feature);
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

// Accumulators -> output.
template <typename Reduction>
__device__ void finish(const HeavyVoxels &heavy_voxels, std::uint64_t width, float *output) {
    const std::uint64_t heavy_count = heavy_voxels.count();
    for (Walk<std::uint64_t> walk(first_item(), item_stride(), width); walk.row < heavy_count; walk.next()) {
        const AccumulatorWord *words =
            heavy_voxels.accumulators + (walk.row * width + walk.column) * Reduction::kWords;
        output[heavy_voxels.voxels[walk.row] * width + walk.column] =
            Reduction::finish(words, __ldcg(heavy_voxels.counts + walk.row));
    }
}

} // namespace robocache
