//! `fuse`: several streams resampled onto one timeline, side by side.

mod cuda;
mod shape;

pub use cuda::CudaFuse;
pub use shape::{FuseShape, MAX_STREAMS, StreamShape};
