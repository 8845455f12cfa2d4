//! NVIDIA GPUs as machines that run operators.
//!
//! The driver is loaded at run time: where it is missing, every entry point returns [`CudaError::Unavailable`]. All
//! entry points lead through [`Context::new`] or [`device_count`], which look for the library before they call it.
//!
//! A [`Device`] is a context with the kernels loaded. A [`CudaProblem`] enqueues its kernels on a [`Stream`], into memory
//! that the caller gives it, and can so be captured into a [`Graph`]. A [`CudaSession`] runs a problem in every legal
//! way.

mod argument;
mod buffer;
mod census;
mod compare;
mod context;
mod device;
mod driver;
mod error;
mod event;
mod geometry;
mod graph;
mod graph_nodes;
mod image;
mod kernel_file;
mod launch;
mod pattern;
mod probe;
mod problem;
mod session;
mod stream;
mod tensor;

pub use argument::KernelArgument;
pub use buffer::DeviceBuffer;
pub use census::CensusError;
pub use compare::DeviceComparison;
pub use context::{Context, DeviceProperties};
pub use device::Device;
pub use driver::{device_count, driver_version};
pub use error::CudaError;
pub use event::Event;
pub use geometry::Geometry;
pub use graph::Graph;
pub use image::{Kernel, KernelImage};
pub use kernel_file::{KernelFile, KernelFileError};
pub use launch::{Launch, Start};
pub use pattern::DevicePatterns;
pub use probe::{usable_gpus, usable_gpus_with};
pub use problem::{Call, CudaProblem, Workspace};
pub use session::CudaSession;
pub(crate) use session::enqueue_on;
pub use stream::Stream;
pub use tensor::DeviceTensor;

/// Lets one test use the GPU at a time: while one captures, nothing in the process may wait for the whole GPU.
#[cfg(test)]
pub(crate) fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    // A test that failed leaves nothing behind that the next one could meet.
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
