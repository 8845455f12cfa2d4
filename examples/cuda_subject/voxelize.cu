// voxelize without mean, which rc_subject_describe leaves out: its cells are skipped, and say so.
#include "numbers.cuh"

namespace {

constexpr int kThreads = 256;
constexpr int64_t kMostBlocks = 1 << 16;

struct Grid {
    float origin[3];
    float voxel_size;
    int64_t extent[3];
};

// The voxel along one axis, or -1 outside the grid. A NaN lies in no interval.
__device__ int64_t cell_on_axis(float point, float origin, float size, int64_t extent) {
    const double cell = floorf(__fdiv_rn(__fsub_rn(point, origin), size));
    return cell >= 0.0 && cell < static_cast<double>(extent) ? static_cast<int64_t>(cell) : -1;
}

// The voxel of a point, or -1 if it lies in none. x is slowest.
__device__ int64_t voxel_of(const Grid &grid, const float *point) {
    const int64_t x = cell_on_axis(point[0], grid.origin[0], grid.voxel_size, grid.extent[0]);
    const int64_t y = cell_on_axis(point[1], grid.origin[1], grid.voxel_size, grid.extent[1]);
    const int64_t z = cell_on_axis(point[2], grid.origin[2], grid.voxel_size, grid.extent[2]);
    return x < 0 || y < 0 || z < 0 ? -1 : (x * grid.extent[1] + y) * grid.extent[2] + z;
}

// Floats in the order of IEEE 754-2019 `maximum` as unsigned integers: -0 below +0, the canonical NaN above all.
// No key is 0, so that 0 is an empty voxel.
__device__ uint32_t key_of(float value) {
    const uint32_t bits = value != value ? kCanonicalNanF32 : __float_as_uint(value);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

__device__ float value_of(uint32_t key) {
    return __uint_as_float(key >> 31 ? key & 0x7FFFFFFFu : ~key);
}

__device__ int64_t first_item() {
    return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

__device__ int64_t stride() {
    return static_cast<int64_t>(gridDim.x) * blockDim.x;
}

__device__ void drop(int64_t *dropped) {
    atomicAdd(reinterpret_cast<unsigned long long *>(dropped), 1ull);
}

} // namespace

extern "C" __global__ void voxelize_clear(uint32_t *voxels, int64_t count, int64_t *dropped) {
    for (int64_t i = first_item(); i < count; i += stride()) {
        voxels[i] = 0;
    }
    if (first_item() == 0) {
        *dropped = 0;
    }
}

extern "C" __global__ void voxelize_count(const float *points, int64_t count, Grid grid, int32_t *voxels,
                                          int64_t *dropped) {
    for (int64_t n = first_item(); n < count; n += stride()) {
        const int64_t voxel = voxel_of(grid, points + 3 * n);
        if (voxel < 0) {
            drop(dropped);
        } else {
            atomicAdd(voxels + voxel, 1);
        }
    }
}

extern "C" __global__ void voxelize_occupancy(const float *points, int64_t count, Grid grid, int32_t *voxels,
                                              int64_t *dropped) {
    for (int64_t n = first_item(); n < count; n += stride()) {
        const int64_t voxel = voxel_of(grid, points + 3 * n);
        if (voxel < 0) {
            drop(dropped);
        } else {
            voxels[voxel] = 1;
        }
    }
}

extern "C" __global__ void voxelize_max_keys(const float *points, int64_t count, Grid grid, const void *features,
                                             uint32_t dtype, int64_t width, uint32_t *keys, int64_t *dropped) {
    for (int64_t n = first_item(); n < count; n += stride()) {
        const int64_t voxel = voxel_of(grid, points + 3 * n);
        if (voxel < 0) {
            drop(dropped);
            continue;
        }
        for (int64_t f = 0; f < width; ++f) {
            atomicMax(keys + voxel * width + f, key_of(load(features, dtype, n * width + f)));
        }
    }
}

extern "C" __global__ void voxelize_max_values(uint32_t *keys, int64_t count) {
    for (int64_t i = first_item(); i < count; i += stride()) {
        keys[i] = keys[i] == 0 ? 0 : __float_as_uint(value_of(keys[i]));
    }
}

namespace {

unsigned blocks_for(int64_t items) {
    const int64_t blocks = (items + kThreads - 1) / kThreads;
    return static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks);
}

} // namespace

RC_EXPORT int rc_voxelize(const rc_voxelize_args *args, void *raw_stream) {
    if (args->mode == RC_VOXEL_MEAN) {
        std::snprintf(args->call.message, args->call.message_capacity, "mean is not implemented");
        return RC_UNSUPPORTED;
    }
    const auto stream = static_cast<cudaStream_t>(raw_stream);
    const Grid grid = {{args->origin[0], args->origin[1], args->origin[2]},
                       args->voxel_size,
                       {args->grid[0], args->grid[1], args->grid[2]}};
    const int64_t width = args->mode == RC_VOXEL_MAX ? args->feature_count : 1;
    const int64_t elements = args->grid[0] * args->grid[1] * args->grid[2] * width;
    auto *words = static_cast<uint32_t *>(args->voxels);
    auto *marks = static_cast<int32_t *>(args->voxels);

    voxelize_clear<<<blocks_for(elements), kThreads, 0, stream>>>(words, elements, args->dropped);
    const unsigned blocks = blocks_for(args->point_count);
    if (blocks > 0 && args->mode == RC_VOXEL_COUNT) {
        voxelize_count<<<blocks, kThreads, 0, stream>>>(args->points, args->point_count, grid, marks, args->dropped);
    } else if (blocks > 0 && args->mode == RC_VOXEL_OCCUPANCY) {
        voxelize_occupancy<<<blocks, kThreads, 0, stream>>>(args->points, args->point_count, grid, marks, args->dropped);
    } else if (blocks > 0) {
        voxelize_max_keys<<<blocks, kThreads, 0, stream>>>(args->points, args->point_count, grid, args->features,
                                                           args->dtype, width, words, args->dropped);
        voxelize_max_values<<<blocks_for(elements), kThreads, 0, stream>>>(words, elements);
    }
    return status(args->call);
}
