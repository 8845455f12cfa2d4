//! Names of the kernels in the image.

/// Every kernel. A launcher that asks for another name has a typing error, not an old image.
pub const ALL: [&str; 41] = [
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
    "voxelize_index",
    "voxelize_mean_f32",
    "voxelize_mean_f16",
    "voxelize_mean_bf16",
    "voxelize_max_f32",
    "voxelize_max_f16",
    "voxelize_max_bf16",
    "voxelize_heavy_mean_f32",
    "voxelize_heavy_mean_f16",
    "voxelize_heavy_mean_bf16",
    "voxelize_heavy_max_f32",
    "voxelize_heavy_max_f16",
    "voxelize_heavy_max_bf16",
    "count_differences",
    "copy_words",
    "delay_nanoseconds",
    "pattern_fill_f32",
    "pattern_fill_f16",
    "pattern_fill_bf16",
    "pattern_fill_i32",
    "pattern_fill_i64",
    "pattern_check_f32",
    "pattern_check_f16",
    "pattern_check_bf16",
    "pattern_check_i32",
    "pattern_check_i64",
];

/// The kernels of one operator: its name begins theirs.
pub fn of(operator: &str) -> impl Iterator<Item = &'static str> {
    ALL.into_iter().filter(move |symbol| symbol.strip_prefix(operator).is_some_and(|rest| rest.starts_with('_')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_share_no_kernel_and_an_unknown_one_has_none() {
        let counts =
            ["resample", "fuse", "voxelize", "count", "copy", "delay", "pattern"].map(|operator| of(operator).count());
        assert_eq!(counts.iter().sum::<usize>(), ALL.len());
        assert!(counts.iter().all(|&count| count > 0));
        assert_eq!(of("vox").count(), 0);
    }
}
