// Which points lie in which voxel: built by integer atomics, and read by whoever writes a voxel.
//
// One word per voxel says that it is empty, or names the one point in it, or a slot. Only voxels that several points
// share have a slot: a count, and a chain through their points. So the common sparse cloud costs one compare-and-swap
// per point and one word per voxel. A slot is named after a point of the voxel, so that none need be claimed.
//
// Chains are walked one point after the other. Voxels with many points are heavy: if there are any, their points are
// also listed side by side, each voxel's in one segment of `order`, so that many warps can share them out.
//
// Slots, chains, ranks and segments come out in any order; the reductions do not depend on it.
//
// The phases, each finished by all blocks before the next begins:
//   clear      no voxel has a point
//   insert     point -> its voxel's word; in a shared voxel, its place in the chain and its rank
//   allocate   each heavy voxel claims its segment and its pieces
//   scatter    point of a heavy voxel -> order[start of the segment + rank]
#pragma once

#include "voxel_grid.cuh"

namespace robocache {

// A voxel with more points than this is heavy: its points are shared out to warps in pieces.
constexpr std::uint32_t kLightPoints = 64;
constexpr std::uint32_t kPiecePoints = 1024;

// Points that a thread takes at a time, so that their loads and atomics are in flight together.
constexpr int kPointsAtATime = 4;

// Words of the table. Point p alone in its voxel is the word p + 1; there are fewer than 2^31 points.
constexpr std::uint32_t kEmpty = 0;
constexpr std::uint32_t kShared = 1u << 31; // with a slot

// In place of a point.
constexpr std::uint32_t kNone = 0xFFFFFFFFu;

// Counters that are claimed from during one call.
struct Cursors {
    std::uint32_t heavy;  // heavy voxels
    std::uint32_t placed; // positions of `order` given out
    std::uint32_t pieces; // of all heavy voxels
    std::uint32_t tiles;  // of the output, taken by blocks
};

// The caller's workspace. V is the number of voxels, N of points; H = N / kLightPoints bounds the heavy voxels.
struct PointIndex {
    Cursors *cursors;
    std::uint32_t *table;             // [V] kEmpty, point + 1, or kShared | slot
    std::uint8_t *owners;             // [N] 1 for a point after which a slot is named, else 0
    std::uint32_t *next;              // [N] the point behind this one in its chain, or kNone
    std::uint32_t *ranks;             // [N] the point's place among those of its slot
    std::uint32_t *counts;            // [N] by slot: points in the voxel
    std::uint32_t *heads;             // [N] by slot: the chain's first point
    std::uint32_t *firsts;            // [N] by slot: the point that was alone at first and has rank 0, or kNone
    std::uint32_t *starts;            // [N] by slot of a heavy voxel: first position in `order`
    std::uint32_t *order;             // [N] points of heavy voxels
    std::uint32_t *heavy_slots;       // [H]
    std::uint32_t *first_pieces;      // [H] index of the heavy voxel's first piece
    std::uint32_t *pieces;            // [N / kPiecePoints + H] the heavy voxel that a piece belongs to
    std::uint64_t *heavy_voxels;      // [H]
    unsigned long long *accumulators; // [H, F, words of the reduction]

    __device__ std::uint32_t heavy_count() const { return __ldcg(&cursors->heavy); }
    __device__ std::uint32_t piece_count() const { return __ldcg(&cursors->pieces); }
};

__device__ inline void clear(const PointIndex &index, std::uint64_t voxel_count) {
    clear(index.table, voxel_count);
    if (first_item() == 0) {
        *index.cursors = {0, 0, 0, 0};
    }
}

// Points of one voxel that are entered together.
struct Entry {
    std::uint64_t voxel;
    std::uint32_t lowest; // point, and the name of the slot, should the voxel get one by this entry
    std::uint32_t highest;
    std::uint32_t count;
};

// What an entry met: the point behind its own in the chain, and how many came before it.
struct Entered {
    std::uint32_t behind;
    std::uint32_t rank;
    bool shared; // if not, the one point is alone so far
    bool owns;   // whether the slot is named after it
};

// `found` is what the voxel's word was a moment ago.
__device__ inline Entered enter(const PointIndex &index, const Entry &entry, std::uint32_t found) {
    std::uint32_t *const word = index.table + entry.voxel;
    while (true) {
        if (found & kShared) {
            const std::uint32_t slot = found & ~kShared;
            const std::uint32_t behind = atomicExch(index.heads + slot, entry.highest);
            const std::uint32_t rank = atomicAdd(index.counts + slot, entry.count);
            if (rank <= kLightPoints && rank + entry.count > kLightPoints) {
                const std::uint32_t heavy = atomicAdd(&index.cursors->heavy, 1u);
                index.heavy_slots[heavy] = slot;
                index.heavy_voxels[heavy] = entry.voxel;
            }
            return {behind, rank, true, false};
        }
        const bool alone = found == kEmpty && entry.count == 1;
        const std::uint32_t kept = found - 1; // kNone if empty
        if (!alone) {
            // Whoever sees the word below sees these too.
            index.counts[entry.lowest] = entry.count + (kept == kNone ? 0 : 1);
            index.heads[entry.lowest] = entry.highest;
            index.firsts[entry.lowest] = kept;
            __threadfence();
        }
        const std::uint32_t before = atomicCAS(word, found, alone ? entry.lowest + 1 : kShared | entry.lowest);
        if (before == found) {
            return {kept, kept == kNone ? 0u : 1u, !alone, !alone};
        }
        found = before;
    }
}
static_assert(kLightPoints > 33, "a voxel must not be heavy from the moment that it is shared");

__device__ inline void insert(const PointIndex &index, const Cloud &cloud, const Grid &grid,
                              std::int64_t *dropped_result) {
    const Warp warp = Warp::current();
    std::uint32_t dropped = 0;
    // All threads of a block take every step together, as warp operations need.
    for (std::uint64_t base = std::uint64_t(blockIdx.x) * blockDim.x; base < cloud.point_count;
         base += kPointsAtATime * item_stride()) {
        const std::uint64_t first = base + threadIdx.x;
        std::uint64_t voxels[kPointsAtATime];
        voxels_of(cloud, first, item_stride(), grid, voxels);
        Peers peers[kPointsAtATime];
        std::uint32_t found[kPointsAtATime];
#pragma unroll
        for (int i = 0; i < kPointsAtATime; ++i) {
            const std::uint64_t point = first + i * item_stride();
            dropped += voxels[i] == kDropped && point < cloud.point_count ? 1 : 0;
            peers[i] = Peers::of(warp, voxels[i]);
            found[i] = kEmpty;
            // A point without peers is most likely the first in its voxel; where there are peers, it is crowded.
            if (voxels[i] != kDropped && peers[i].count() == 1) {
                found[i] = atomicCAS(index.table + voxels[i], kEmpty, std::uint32_t(point) + 1);
            } else if (voxels[i] != kDropped && warp.lane == peers[i].lowest()) {
                found[i] = __ldcg(index.table + voxels[i]);
            }
        }
#pragma unroll
        for (int i = 0; i < kPointsAtATime; ++i) {
            const std::uint32_t point = std::uint32_t(first + i * item_stride());
            const std::uint32_t lowest = point - warp.lane + peers[i].lowest();
            const std::uint32_t highest = point - warp.lane + peers[i].highest();
            Entered entered = {};
            if (voxels[i] != kDropped && point == lowest && (lowest != highest || found[i] != kEmpty)) {
                entered = enter(index, {voxels[i], lowest, highest, peers[i].count()}, found[i]);
            }
            if (first + i * item_stride() < cloud.point_count) {
                index.owners[point] = entered.owns ? 1 : 0;
            }
            // Peers are chained among themselves, from the highest down to the one that entered them.
            entered.behind = __shfl_sync(warp.mask, entered.behind, int(peers[i].lowest()));
            entered.rank = __shfl_sync(warp.mask, entered.rank, int(peers[i].lowest()));
            if (__shfl_sync(warp.mask, int(entered.shared), int(peers[i].lowest()))) {
                index.next[point] = point == lowest ? entered.behind : point - warp.lane + peers[i].below(warp.lane);
                index.ranks[point] = entered.rank + peers[i].rank(warp.lane);
            }
        }
    }
    report_dropped(dropped, dropped_result);
}

// Heavy voxels claim their segments and pieces.
__device__ inline void allocate(const PointIndex &index) {
    const std::uint32_t heavy_count = index.heavy_count();
    for (std::uint64_t heavy = first_item(); heavy < heavy_count; heavy += item_stride()) {
        const std::uint32_t slot = index.heavy_slots[heavy];
        const std::uint32_t count = __ldcg(index.counts + slot);
        const std::uint32_t pieces = (count - 1) / kPiecePoints + 1;
        index.starts[slot] = atomicAdd(&index.cursors->placed, count);
        const std::uint32_t first = atomicAdd(&index.cursors->pieces, pieces);
        index.first_pieces[heavy] = first;
        for (std::uint32_t piece = 0; piece < pieces; ++piece) {
            index.pieces[first + piece] = std::uint32_t(heavy);
        }
    }
}

// Lists the points of heavy voxels, and zeroes the `accumulator_words` of each.
__device__ inline void scatter(const PointIndex &index, const Cloud &cloud, const Grid &grid,
                               std::uint64_t accumulator_words) {
    for (std::uint64_t point = first_item(); point < cloud.point_count; point += item_stride()) {
        std::uint64_t voxel[1];
        voxels_of(cloud, point, 0, grid, voxel);
        const std::uint32_t word = voxel[0] == kDropped ? kEmpty : __ldcg(index.table + voxel[0]);
        if (word & kShared) {
            const std::uint32_t slot = word & ~kShared;
            if (__ldcg(index.counts + slot) > kLightPoints) {
                const std::uint32_t rank = index.firsts[slot] == std::uint32_t(point) ? 0 : index.ranks[point];
                index.order[index.starts[slot] + rank] = std::uint32_t(point);
            }
        }
    }
    const std::uint64_t word_count = index.heavy_count() * accumulator_words;
    for (std::uint64_t i = first_item(); i < word_count; i += item_stride()) {
        index.accumulators[i] = 0;
    }
}

} // namespace robocache
