//! A GPU that is ready to run operators.

use super::{Context, CudaError, KernelFile, KernelImage};

/// A context with the kernels loaded: what a worker keeps warm from cell to cell. Clones share both.
#[derive(Clone)]
pub struct Device {
    context: Context,
    kernels: KernelImage,
}

impl Device {
    /// Opens the GPU with this index and loads the kernels of this build.
    pub fn open(ordinal: usize) -> Result<Self, CudaError> {
        Self::open_with(ordinal, None)
    }

    /// Opens the GPU with this index and loads the kernels of a file, or without one those of this build.
    pub fn open_with(ordinal: usize, file: Option<&KernelFile>) -> Result<Self, CudaError> {
        let context = Context::new(ordinal)?;
        let kernels = KernelImage::load_from(&context, file)?;
        Ok(Self { context, kernels })
    }

    /// Its context.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Its kernels.
    pub fn kernels(&self) -> &KernelImage {
        &self.kernels
    }
}
