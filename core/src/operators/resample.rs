//! `resample`: values of a sampled stream at other times, by linear interpolation.

pub(crate) mod cuda;
mod shape;

pub use cuda::CudaResample;
pub use shape::ResampleShape;
