//! `core/include/robocache_subject.h` in Rust. `tests.rs` beside it holds the two against each other.

use std::ffi::{c_char, c_int, c_void};

use crate::{
    dtype::DType,
    operators::{fuse::MAX_STREAMS, times::TimeKind, voxelize::VoxelMode},
};

/// `RC_SUBJECT_ABI_VERSION`: the newest version that this crate knows.
pub const ABI_VERSION: u32 = 1;

/// `RC_OK`.
pub(super) const OK: c_int = 0;
/// `RC_UNSUPPORTED`.
pub(super) const UNSUPPORTED: c_int = 1;
/// `RC_INVALID_ARGUMENT`.
const INVALID_ARGUMENT: c_int = 2;
/// `RC_FAILED`.
const FAILED: c_int = 3;

/// `RC_DEVICE_CPU`.
pub(super) const DEVICE_CPU: u32 = 0;
/// `RC_DEVICE_CUDA`.
pub(super) const DEVICE_CUDA: u32 = 1;

/// `struct rc_subject_info`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Info {
    pub(super) size: u64,
    pub(super) abi_version: u32,
    pub(super) device: u32,
    pub(super) name: *const c_char,
    pub(super) version: *const c_char,
    pub(super) resample_args_size: u64,
    pub(super) fuse_args_size: u64,
    pub(super) voxelize_args_size: u64,
    pub(super) stream_size: u64,
    pub(super) dtypes: u32,
    pub(super) time_dtypes: u32,
    pub(super) voxel_modes: u32,
    pub(super) reserved: u32,
}

/// `struct rc_call`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Call {
    pub(super) size: u64,
    pub(super) message: *mut c_char,
    pub(super) message_capacity: u64,
    pub(super) workspace: *mut c_void,
    pub(super) workspace_bytes: u64,
}

/// `struct rc_resample_args`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct ResampleArgs {
    pub(super) call: Call,
    pub(super) dtype: u32,
    pub(super) time_dtype: u32,
    pub(super) batch: i64,
    pub(super) source: i64,
    pub(super) channels: i64,
    pub(super) target: i64,
    pub(super) x: *const c_void,
    pub(super) ts: *const c_void,
    pub(super) tt: *const c_void,
    pub(super) y: *mut c_void,
}

/// `struct rc_stream`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Stream {
    pub(super) x: *const c_void,
    pub(super) ts: *const c_void,
    pub(super) source: i64,
    pub(super) channels: i64,
}

/// `struct rc_fuse_args`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct FuseArgs {
    pub(super) call: Call,
    pub(super) dtype: u32,
    pub(super) time_dtype: u32,
    pub(super) batch: i64,
    pub(super) target: i64,
    pub(super) channels: i64,
    pub(super) stream_count: i64,
    pub(super) streams: *const Stream,
    pub(super) tt: *const c_void,
    pub(super) y: *mut c_void,
}

/// `struct rc_voxelize_args`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct VoxelizeArgs {
    pub(super) call: Call,
    pub(super) mode: u32,
    pub(super) dtype: u32,
    pub(super) point_count: i64,
    pub(super) feature_count: i64,
    pub(super) grid: [i64; 3],
    pub(super) origin: [f32; 3],
    pub(super) voxel_size: f32,
    pub(super) points: *const c_void,
    pub(super) features: *const c_void,
    pub(super) voxels: *mut c_void,
    pub(super) dropped: *mut c_void,
}

/// `rc_subject_describe`.
pub(super) type Describe = unsafe extern "C" fn(*mut Info) -> c_int;
/// `rc_resample`, `rc_fuse` or `rc_voxelize`.
pub(super) type Launcher<Args> = unsafe extern "C" fn(*const Args, *mut c_void) -> c_int;
/// `rc_*_workspace_bytes`.
pub(super) type WorkspaceBytes<Args> = unsafe extern "C" fn(*const Args) -> u64;

/// The sizes of the structs in one version: a subject of that version is given so much of them.
pub(super) struct Sizes {
    pub(super) resample_args: u64,
    pub(super) fuse_args: u64,
    pub(super) voxelize_args: u64,
    pub(super) stream: u64,
}

/// The sizes of version 1, 2 and so on. What was released stays.
pub(super) const SIZES: [Sizes; ABI_VERSION as usize] =
    [Sizes { resample_args: 112, fuse_args: 104, voxelize_args: 136, stream: 32 }];

// The newest version is the one that this file declares.
const _: () = {
    let newest = &SIZES[ABI_VERSION as usize - 1];
    assert!(newest.resample_args == size_of::<ResampleArgs>() as u64);
    assert!(newest.fuse_args == size_of::<FuseArgs>() as u64);
    assert!(newest.voxelize_args == size_of::<VoxelizeArgs>() as u64);
    assert!(newest.stream == size_of::<Stream>() as u64);
    assert!(MAX_STREAMS == 16);
};

/// A status as people know it.
pub(super) fn status_name(status: c_int) -> String {
    match status {
        OK => "RC_OK".to_owned(),
        UNSUPPORTED => "RC_UNSUPPORTED".to_owned(),
        INVALID_ARGUMENT => "RC_INVALID_ARGUMENT".to_owned(),
        FAILED => "RC_FAILED".to_owned(),
        other => format!("status {other}"),
    }
}

/// `RC_F32` and its siblings.
pub(super) const fn dtype(dtype: DType) -> u32 {
    match dtype {
        DType::F32 => 0,
        DType::F16 => 1,
        DType::Bf16 => 2,
        DType::I32 => 3,
        DType::I64 => 4,
    }
}

/// `RC_F32` or `RC_I64`.
pub(super) const fn times(times: TimeKind) -> u32 {
    dtype(times.dtype())
}

/// `RC_VOXEL_COUNT` and its siblings.
pub(super) const fn mode(mode: VoxelMode) -> u32 {
    match mode {
        VoxelMode::Count => 0,
        VoxelMode::Occupancy => 1,
        VoxelMode::Mean => 2,
        VoxelMode::Max => 3,
    }
}
