// Where the points of a cloud lie in a grid.
#pragma once

#include "common.cuh"

namespace robocache {

// In place of the voxel of a point that is outside the grid, or not finite.
constexpr std::uint64_t kDropped = ~0ull;

// Where the grid lies, and how many voxels it has along x, y and z.
struct Grid {
    float origin[3];
    float voxel_size;
    std::uint32_t extent[3]; // each below 2^31
    std::uint32_t padding;

    __device__ std::uint64_t voxel_count() const { return std::uint64_t(extent[0]) * extent[1] * extent[2]; }
};

// points [point_count, 3]
struct Cloud {
    const float *points;
    std::uint64_t point_count;
};

// 1 / size where the quotients below can be had by way of it, else NaN.
__device__ inline float reciprocal_of(float size) {
    return size > 0x1p-100f && size < 0x1p100f ? __frcp_rn(size) : __uint_as_float(F32::kCanonicalNan);
}

// The cell of a coordinate along one axis, floor((p - origin) / size) with both operations rounded; a number that is no
// cell of any grid if that is negative, too large or NaN.
//
// A division costs more than all the rest. The product with the reciprocal is within 2^-22 of the rounded quotient,
// relatively, so that it has the same floor unless an integer is that near; only then is divided.
__device__ inline std::uint32_t cell_of(float coordinate, float origin, float size, float reciprocal) {
    const float distance = __fsub_rn(coordinate, origin);
    const float quotient = __fmul_rn(distance, reciprocal);
    float cell = floorf(quotient);
    const float margin = __fadd_rn(__fmul_rn(fabsf(quotient), 0x1p-21f), 0x1p-100f);
    // Written so that NaN fails.
    const bool certain = __fsub_rn(quotient, cell) > margin && __fsub_rn(__fadd_rn(cell, 1.0f), quotient) > margin;
    if (!certain) {
        cell = floorf(__fdiv_rn(distance, size));
    }
    // The upper limit keeps the conversion defined.
    return cell >= 0.0f && cell < 2147483648.0f ? std::uint32_t(int(cell)) : 0xFFFFFFFFu;
}

// The voxel of a point, x slowest, or kDropped; kDropped too past the last point.
__device__ inline std::uint64_t voxel_of(const Cloud &cloud, std::uint64_t point, const Grid &grid) {
    if (point >= cloud.point_count) {
        return kDropped;
    }
    const float *const coordinates = cloud.points + 3 * point;
    const float position[3] = {__ldg(coordinates), __ldg(coordinates + 1), __ldg(coordinates + 2)};
    const float reciprocal = reciprocal_of(grid.voxel_size);
    std::uint32_t cells[3];
    bool inside = true;
#pragma unroll
    for (int axis = 0; axis < 3; ++axis) {
        cells[axis] = cell_of(position[axis], grid.origin[axis], grid.voxel_size, reciprocal);
        inside = inside && cells[axis] < grid.extent[axis];
    }
    const std::uint64_t row = std::uint64_t(cells[0]) * grid.extent[1] + cells[1];
    return inside ? row * grid.extent[2] + cells[2] : kDropped;
}

// Adds each thread's number of dropped points to the result, with one atomic per block. All threads of the block call
// it; there are fewer than 2^31 points.
__device__ inline void report_dropped(std::uint32_t dropped, std::int64_t *result) {
    __shared__ std::uint32_t total;
    if (threadIdx.x == 0) {
        total = 0;
    }
    __syncthreads();
    const Warp warp = Warp::current();
    const std::uint32_t of_warp = __reduce_add_sync(warp.mask, dropped);
    if (warp.lane == 0 && of_warp != 0) {
        atomicAdd(&total, of_warp);
    }
    __syncthreads();
    if (threadIdx.x == 0 && total != 0) {
        atomicAdd(reinterpret_cast<unsigned long long *>(result), (unsigned long long)(total));
    }
}

// Zeroes `word_count` words.
__device__ inline void clear(std::uint32_t *words, std::uint64_t word_count) {
    const bool aligned = widest_access(address_of(words)) == 16;
    const std::uint64_t vectors = aligned ? word_count / 4 : 0;
    for (std::uint64_t i = first_item(); i < vectors; i += item_stride()) {
        reinterpret_cast<uint4 *>(words)[i] = make_uint4(0, 0, 0, 0);
    }
    for (std::uint64_t i = 4 * vectors + first_item(); i < word_count; i += item_stride()) {
        words[i] = 0;
    }
}

} // namespace robocache
