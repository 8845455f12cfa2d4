/* voxelize: points gathered into a dense grid. */
#include "exact_mean.h"
#include "numbers.h"

/* The voxel along one axis, or -1 outside the grid. A NaN lies in no interval. */
static int64_t cell_on_axis(float point, float origin, float size, int64_t extent) {
    float offset = point - origin;
    double cell = (double)floorf(offset / size);
    if (!(cell >= 0.0 && cell < (double)extent)) {
        return -1;
    }
    return (int64_t)cell;
}

/* The voxel of point n, or -1 if it lies in none. x is slowest. */
static int64_t voxel_of(const struct rc_voxelize_args *args, int64_t n) {
    const float *point = args->points + 3 * n;
    int64_t x = cell_on_axis(point[0], args->origin[0], args->voxel_size, args->grid[0]);
    int64_t y = cell_on_axis(point[1], args->origin[1], args->voxel_size, args->grid[1]);
    int64_t z = cell_on_axis(point[2], args->origin[2], args->voxel_size, args->grid[2]);
    if (x < 0 || y < 0 || z < 0) {
        return -1;
    }
    return (x * args->grid[1] + y) * args->grid[2] + z;
}

static int64_t voxel_count(const struct rc_voxelize_args *args) {
    return args->grid[0] * args->grid[1] * args->grid[2];
}

static int takes_features(const struct rc_voxelize_args *args) {
    return args->mode == RC_VOXEL_MEAN || args->mode == RC_VOXEL_MAX;
}

/* IEEE 754-2019 maximum: a NaN wins, and -0 < +0. */
static float maximum(float a, float b) {
    if (isnan(a) || isnan(b)) {
        return float_of_bits(canonical_nan_f32);
    }
    if (a == 0.0f && b == 0.0f) {
        return signbit(a) ? b : a;
    }
    return a > b ? a : b;
}

/* Workspace of mean and max: the points of each voxel as a linked list, heads first. */
static const int64_t nobody = -1;

RC_EXPORT uint64_t rc_voxelize_workspace_bytes(const struct rc_voxelize_args *args) {
    if (!takes_features(args)) {
        return 0;
    }
    return (uint64_t)(voxel_count(args) + args->point_count) * sizeof(int64_t);
}

/* Links the points of each voxel; returns how many lie in none. */
static int64_t link_points(const struct rc_voxelize_args *args, int64_t *heads, int64_t *next) {
    int64_t dropped = 0;
    for (int64_t voxel = 0; voxel < voxel_count(args); ++voxel) {
        heads[voxel] = nobody;
    }
    for (int64_t n = 0; n < args->point_count; ++n) {
        int64_t voxel = voxel_of(args, n);
        if (voxel < 0) {
            dropped += 1;
            continue;
        }
        next[n] = heads[voxel];
        heads[voxel] = n;
    }
    return dropped;
}

static float mean_of(const struct rc_voxelize_args *args, int64_t head, const int64_t *next, int64_t feature) {
    struct exact_sum sum = {0};
    for (int64_t n = head; n != nobody; n = next[n]) {
        exact_sum_add(&sum, load(args->features, args->dtype, n * args->feature_count + feature));
    }
    return exact_sum_mean(&sum);
}

static float max_of(const struct rc_voxelize_args *args, int64_t head, const int64_t *next, int64_t feature) {
    float max = -INFINITY;
    for (int64_t n = head; n != nobody; n = next[n]) {
        max = maximum(max, load(args->features, args->dtype, n * args->feature_count + feature));
    }
    return max;
}

/* mean and max. The order of a list depends on that of the points; neither result does. */
static void reduce(const struct rc_voxelize_args *args) {
    int64_t *heads = args->call.workspace;
    int64_t *next = heads + voxel_count(args);
    float *voxels = args->voxels;
    *args->dropped = link_points(args, heads, next);
    for (int64_t voxel = 0; voxel < voxel_count(args); ++voxel) {
        for (int64_t feature = 0; feature < args->feature_count; ++feature) {
            float value = 0.0f; /* an empty voxel */
            if (heads[voxel] != nobody) {
                value = args->mode == RC_VOXEL_MEAN ? mean_of(args, heads[voxel], next, feature)
                                                    : max_of(args, heads[voxel], next, feature);
            }
            voxels[voxel * args->feature_count + feature] = value;
        }
    }
}

/* count and occupancy. */
static void mark(const struct rc_voxelize_args *args) {
    int32_t *voxels = args->voxels;
    int64_t dropped = 0;
    for (int64_t voxel = 0; voxel < voxel_count(args); ++voxel) {
        voxels[voxel] = 0;
    }
    for (int64_t n = 0; n < args->point_count; ++n) {
        int64_t voxel = voxel_of(args, n);
        if (voxel < 0) {
            dropped += 1;
        } else if (args->mode == RC_VOXEL_COUNT) {
            voxels[voxel] += 1;
        } else {
            voxels[voxel] = 1;
        }
    }
    *args->dropped = dropped;
}

RC_EXPORT int rc_voxelize(const struct rc_voxelize_args *args, void *stream) {
    (void)stream;
    if (takes_features(args)) {
        reduce(args);
    } else {
        mark(args);
    }
    return RC_OK;
}
