//! NVIDIA GPUs as machines that run operators.

mod error;

pub use error::CudaError;

/// The CUDA side of a problem.
pub trait CudaProblem: Send + Sync {}
