//! One call of a subject: the header's structs filled in, and what came back.

use std::ffi::{c_char, c_int, c_void};

use super::{
    Subject,
    abi::{self, Call, FuseArgs, ResampleArgs, Stream, VoxelizeArgs},
    description::message,
};
use crate::{
    dtype::DType,
    operators::{
        Definition,
        fuse::{FuseShape, StreamShape},
        resample::ResampleShape,
        voxelize::VoxelizeShape,
    },
};

/// Bytes of the buffer in which a subject explains an error.
const MESSAGE_BYTES: usize = 1024;

/// Bytes behind it that nobody may touch, and what they hold.
const GUARD_BYTES: usize = 256;
const GUARD_PATTERN: u8 = 0xA5;

/// The buffer in which a subject explains an error, and its guard.
struct Message([u8; MESSAGE_BYTES + GUARD_BYTES]);

impl Message {
    fn empty() -> Self {
        let mut bytes = [GUARD_PATTERN; MESSAGE_BYTES + GUARD_BYTES];
        bytes[..MESSAGE_BYTES].fill(0);
        Self(bytes)
    }

    fn is_overrun(&self) -> bool {
        self.0[MESSAGE_BYTES..].iter().any(|&byte| byte != GUARD_PATTERN)
    }

    fn text(&self) -> String {
        message(&self.0[..MESSAGE_BYTES])
    }
}

/// Where the tensors of a call lie, in the problem's order, and its workspace.
pub(super) struct Memory {
    pub(super) inputs: Vec<*const c_void>,
    pub(super) outputs: Vec<*mut c_void>,
    pub(super) workspace: *mut c_void,
    pub(super) workspace_bytes: u64,
}

impl Memory {
    /// No memory at all: for a question about extents.
    fn none(definition: Definition<'_>) -> Self {
        let (inputs, outputs) = match definition {
            Definition::Resample(..) => (3, 1),
            Definition::Fuse(shape, _) => (1 + 2 * shape.streams.len(), 1),
            Definition::Voxelize(..) => (2, 2),
        };
        Self {
            inputs: vec![std::ptr::null(); inputs],
            outputs: vec![std::ptr::null_mut(); outputs],
            workspace: std::ptr::null_mut(),
            workspace_bytes: 0,
        }
    }

    /// How a struct of `size` bytes begins.
    fn call(&self, size: u64, message: &mut Message) -> Call {
        Call {
            size,
            message: message.0.as_mut_ptr().cast::<c_char>(),
            message_capacity: MESSAGE_BYTES as u64,
            workspace: self.workspace,
            workspace_bytes: self.workspace_bytes,
        }
    }
}

/// Calls the subject. The error quotes what it returned and said.
///
/// # Safety
/// `memory` must be that of the problem's tensors, on the subject's device: inputs readable, outputs writable, all until
/// the work is done; `stream` must be null for a subject on the CPU, and otherwise a stream of the current device. What the
/// subject does with them is its own: call this in a process that may die.
pub(super) unsafe fn launch(
    subject: &Subject,
    definition: Definition<'_>,
    memory: &Memory,
    stream: *mut c_void,
) -> Result<(), String> {
    let mut message = Message::empty();
    let mut call = |size| memory.call(size, &mut message);
    let (function, status) = match definition {
        Definition::Resample(shape, dtype) => {
            let args = resample_args(call(subject.sizes().resample_args), shape, dtype, memory);
            // SAFETY: the arguments are those of this function; the rest is the caller's promise.
            ("rc_resample", subject.resample.as_ref().map(|entry| unsafe { (entry.launch)(&args, stream) }))
        }
        Definition::Fuse(shape, dtype) => {
            let streams = streams(shape, memory);
            let args = fuse_args(call(subject.sizes().fuse_args), shape, dtype, &streams, memory);
            // SAFETY: as above; the streams live until the launcher has returned.
            ("rc_fuse", subject.fuse.as_ref().map(|entry| unsafe { (entry.launch)(&args, stream) }))
        }
        Definition::Voxelize(shape, dtype) => {
            let args = voxelize_args(call(subject.sizes().voxelize_args), shape, dtype, memory);
            // SAFETY: as above.
            ("rc_voxelize", subject.voxelize.as_ref().map(|entry| unsafe { (entry.launch)(&args, stream) }))
        }
    };
    match status {
        Some(_) if message.is_overrun() => {
            Err(format!("{function} wrote behind args->call.message, which has {MESSAGE_BYTES} bytes"))
        }
        Some(abi::OK) => Ok(()),
        Some(status) => Err(refusal(function, status, &message.text())),
        None => Err(format!("the subject does not export {function}")),
    }
}

/// Bytes of workspace that the subject wants for a call of this problem.
pub(super) fn workspace_bytes(subject: &Subject, definition: Definition<'_>) -> u64 {
    let mut message = Message::empty();
    let memory = Memory::none(definition);
    let mut call = |size| memory.call(size, &mut message);
    let bytes = match definition {
        Definition::Resample(shape, dtype) => {
            let args = resample_args(call(subject.sizes().resample_args), shape, dtype, &memory);
            let function = subject.resample.as_ref().and_then(|entry| entry.workspace_bytes);
            // SAFETY: the arguments are those of this function, which touches no data.
            function.map(|function| unsafe { function(&args) })
        }
        Definition::Fuse(shape, dtype) => {
            let streams = streams(shape, &memory);
            let args = fuse_args(call(subject.sizes().fuse_args), shape, dtype, &streams, &memory);
            let function = subject.fuse.as_ref().and_then(|entry| entry.workspace_bytes);
            // SAFETY: as above; the streams live until the function has returned.
            function.map(|function| unsafe { function(&args) })
        }
        Definition::Voxelize(shape, dtype) => {
            let args = voxelize_args(call(subject.sizes().voxelize_args), shape, dtype, &memory);
            let function = subject.voxelize.as_ref().and_then(|entry| entry.workspace_bytes);
            // SAFETY: as above.
            function.map(|function| unsafe { function(&args) })
        }
    };
    bytes.unwrap_or(0)
}

fn refusal(function: &str, status: c_int, message: &str) -> String {
    let colon = if message.is_empty() { "" } else { ": " };
    let advice =
        if status == abi::UNSUPPORTED { "; leave it out of rc_subject_info, and its cells are skipped" } else { "" };
    format!("{function} returned {}{colon}{message}{advice}", abi::status_name(status))
}

fn resample_args(call: Call, shape: &ResampleShape, dtype: DType, memory: &Memory) -> ResampleArgs {
    let ResampleShape { batch, source, channels, target, times } = *shape;
    ResampleArgs {
        call,
        dtype: abi::dtype(dtype),
        time_dtype: abi::times(times),
        batch: extent(batch),
        source: extent(source),
        channels: extent(channels),
        target: extent(target),
        x: memory.inputs[0],
        ts: memory.inputs[1],
        tt: memory.inputs[2],
        y: memory.outputs[0],
    }
}

fn streams(shape: &FuseShape, memory: &Memory) -> Vec<Stream> {
    let tensors = memory.inputs[1..].chunks_exact(2);
    let stream = |(stream, tensors): (&StreamShape, &[*const c_void])| Stream {
        x: tensors[0],
        ts: tensors[1],
        source: extent(stream.source),
        channels: extent(stream.channels),
    };
    shape.streams.iter().zip(tensors).map(stream).collect()
}

fn fuse_args(call: Call, shape: &FuseShape, dtype: DType, streams: &[Stream], memory: &Memory) -> FuseArgs {
    FuseArgs {
        call,
        dtype: abi::dtype(dtype),
        time_dtype: abi::times(shape.times),
        batch: extent(shape.batch),
        target: extent(shape.target),
        channels: extent(shape.channels()),
        stream_count: extent(streams.len()),
        streams: streams.as_ptr(),
        tt: memory.inputs[0],
        y: memory.outputs[0],
    }
}

fn voxelize_args(call: Call, shape: &VoxelizeShape, dtype: DType, memory: &Memory) -> VoxelizeArgs {
    let VoxelizeShape { points, features, grid, mode, origin, voxel_size } = *shape;
    VoxelizeArgs {
        call,
        mode: abi::mode(mode),
        dtype: abi::dtype(dtype),
        point_count: extent(points),
        feature_count: extent(features),
        grid: grid.map(extent),
        origin,
        voxel_size,
        points: memory.inputs[0],
        features: memory.inputs.get(1).copied().unwrap_or(std::ptr::null()),
        voxels: memory.outputs[0],
        dropped: memory.outputs[1],
    }
}

/// Extents of a valid problem address memory: they fit an i64.
const fn extent(extent: usize) -> i64 {
    extent as i64
}
