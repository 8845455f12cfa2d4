//! The CUDA side of a problem, and what it is given for one call.

use super::{Context, CudaError, DeviceTensor, Geometry, KernelImage, Stream};
use crate::{
    dtype::DType,
    tensor::{HostTensor, TensorSpec},
};

/// The CUDA implementation of a problem.
pub trait CudaProblem: Send + Sync {
    /// Bytes of scratch memory that a call needs. They may hold anything when it starts and when it ends.
    fn workspace_bytes(&self) -> usize {
        0
    }

    /// Whether a call obeys [`Call::geometry`]. One that cannot is never said to have been run with another.
    fn obeys_geometry(&self) -> bool {
        true
    }

    /// Enqueues one call on the call's stream: no allocation, no synchronisation, nothing read on the host, so that it
    /// can be captured into a graph. Empty problems enqueue no kernel.
    fn enqueue(&self, call: Call<'_>) -> Result<(), CudaError>;
}

/// One call's stream and memory. The tensors are in the problem's order, with its dtypes and shapes.
pub struct Call<'a> {
    /// Where the work is enqueued.
    pub stream: &'a Stream,
    /// The kernels of the GPU on which everything lies.
    pub kernels: &'a KernelImage,
    /// Grid and block sizes.
    pub geometry: Geometry,
    /// Read only.
    pub inputs: &'a [DeviceTensor],
    /// Written completely.
    pub outputs: &'a mut [DeviceTensor],
    /// Scratch memory of at least the problem's [`CudaProblem::workspace_bytes`].
    pub workspace: &'a mut Workspace,
}

/// Scratch memory, kept from call to call. It has guards as every tensor has.
pub struct Workspace(DeviceTensor);

impl Workspace {
    /// Scratch memory of this size.
    pub fn new(context: &Context, bytes: usize) -> Result<Self, CudaError> {
        let words = bytes.div_ceil(DType::I64.size_bytes());
        let spec = TensorSpec::new("workspace", DType::I64, [words])
            .map_err(|error| CudaError::Unavailable(format!("no GPU has so much memory: {error}")))?;
        Ok(Self(DeviceTensor::zeros(context, spec)?))
    }

    /// Its address, aligned to 256 bytes.
    pub fn address(&self) -> u64 {
        self.0.address()
    }

    /// Its size.
    pub fn bytes(&self) -> usize {
        self.0.spec().bytes()
    }

    /// Enqueues that every byte becomes `pattern`.
    pub fn fill(&mut self, stream: &Stream, pattern: u8) -> Result<(), CudaError> {
        self.0.fill(stream, pattern)
    }

    /// A copy with guards. Work on it must have been waited for.
    pub fn to_host(&self) -> Result<HostTensor, CudaError> {
        self.0.to_host()
    }
}
