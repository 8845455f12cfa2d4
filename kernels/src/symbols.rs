//! Names of the kernels in the image.

/// Every kernel. A launcher that asks for another name has a typing error, not an old image.
pub const ALL: [&str; 22] = [
    "resample_f32_f32",
    "resample_f16_f32",
    "resample_bf16_f32",
    "resample_f32_i64",
    "resample_f16_i64",
    "resample_bf16_i64",
    "fuse_f32_f32",
    "fuse_f16_f32",
    "fuse_bf16_f32",
    "fuse_f32_i64",
    "fuse_f16_i64",
    "fuse_bf16_i64",
    "voxelize_clear",
    "voxelize_count",
    "voxelize_occupancy",
    "voxelize_mean_f32",
    "voxelize_mean_f16",
    "voxelize_mean_bf16",
    "voxelize_max_f32",
    "voxelize_max_f16",
    "voxelize_max_bf16",
    "count_differences",
];
