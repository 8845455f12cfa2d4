// Which points lie in which voxel: a chain for each voxel, built by integer atomics, and read by whoever writes it.
//
// A voxel's word names the point that came last, which names the one before it, and so on to the first. A flag in the
// word tells whether there is more than one point; then whoever meets a point that is alone, as most are in a sparse
// cloud, need not look for others. Entering a point takes one exchange, and one more atomic where others came before.
//
// Chains come out in any order; the reductions do not depend on it.
#pragma once

#include "voxel_grid.cuh"

namespace robocache {

// Links: point p is the number p + 1, and there are fewer than 2^31 points. A word of the table is a link, and the flag.
constexpr std::uint32_t kEmpty = 0;
constexpr std::uint32_t kShared = 1u << 31; // there is more than one point

// The caller's workspace. V is the number of voxels, N of points.
struct PointIndex {
    std::uint32_t *table; // [V] the point that came last, kShared if others came before; kEmpty
    std::uint32_t *next;  // [N] the point that came before it, or kEmpty
};

// Enters all points into an index whose table is clear.
__device__ inline void insert(const PointIndex &index, const Cloud &cloud, const Grid &grid,
                              std::int64_t *dropped_result) {
    const Warp warp = Warp::current();
    std::uint64_t point = first_item();
    // The first point's voxel is computed while the table is still being cleared.
    std::uint64_t voxel = voxel_of(cloud, point, grid);
    wait_for_previous_kernel();
    std::uint32_t dropped = 0;
    // All threads of a block take every step together, as warp operations need.
    for (std::uint64_t base = point - threadIdx.x; base < cloud.point_count; base += item_stride()) {
        if (point >= item_stride()) {
            voxel = voxel_of(cloud, point, grid);
        }
        const bool kept = voxel != kDropped;
        dropped += point < cloud.point_count && !kept ? 1 : 0;
        // Peers enter together: the highest is met first, and behind the lowest is what was there before.
        const Peers peers = Peers::of(warp, voxel, kept);
        std::uint32_t before = kEmpty;
        if (kept && warp.lane == peers.highest()) {
            before = atomicExch(index.table + voxel, std::uint32_t(point) + 1);
            // The exchange lost the flag of those before it. Whoever comes last into a shared voxel sets it last.
            if (before != kEmpty || peers.count() > 1) {
                atomicOr(index.table + voxel, kShared);
            }
        }
        before = __shfl_sync(warp.mask, before, int(peers.highest())) & ~kShared;
        if (kept) {
            const bool follows = peers.any_below(warp.lane);
            const std::uint32_t peer = std::uint32_t(point) - warp.lane + peers.nearest_below(warp.lane);
            index.next[point] = follows ? peer + 1 : before;
        }
        point += item_stride();
    }
    report_dropped(dropped, dropped_result);
}

} // namespace robocache
