//! The layout of the header's structs as this crate has it, for the test that asks a C compiler for the same.

use std::fmt::Write;

use super::abi::{Call, FuseArgs, Info, ResampleArgs, Stream, VoxelizeArgs};

/// One line for each struct with its size, and one for each field with its offset, as `struct.field offset`.
pub(super) fn text() -> String {
    let mut text = String::new();
    macro_rules! layout {
        ($mirror:ty, $name:literal, $($field:ident),+) => {
            let _ = writeln!(text, "{} {}", $name, size_of::<$mirror>());
            $(let _ = writeln!(text, "{}.{} {}", $name, stringify!($field), std::mem::offset_of!($mirror, $field));)+
        };
    }
    layout!(
        Info,
        "rc_subject_info",
        size,
        abi_version,
        device,
        name,
        version,
        resample_args_size,
        fuse_args_size,
        voxelize_args_size,
        stream_size,
        dtypes,
        time_dtypes,
        voxel_modes,
        reserved
    );
    layout!(Call, "rc_call", size, message, message_capacity, workspace, workspace_bytes);
    layout!(ResampleArgs, "rc_resample_args", call, dtype, time_dtype, batch, source, channels, target, x, ts, tt, y);
    layout!(Stream, "rc_stream", x, ts, source, channels);
    layout!(FuseArgs, "rc_fuse_args", call, dtype, time_dtype, batch, target, channels, stream_count, streams, tt, y);
    layout!(
        VoxelizeArgs,
        "rc_voxelize_args",
        call,
        mode,
        dtype,
        point_count,
        feature_count,
        grid,
        origin,
        voxel_size,
        points,
        features,
        voxels,
        dropped
    );
    text
}
