//! Memory on a GPU.

use cudarc::driver::{result, sys::CUdeviceptr};

use super::{Context, CudaError, error::During};

/// An allocation, freed on drop. Its first byte is aligned to 256 bytes.
///
/// Freeing waits for the GPU, so a buffer may be dropped while a kernel still uses it.
pub struct DeviceBuffer {
    pointer: CUdeviceptr,
    bytes: usize,
    context: Context,
}

impl DeviceBuffer {
    /// Allocates `bytes` of undefined content; none for 0.
    pub fn new(context: &Context, bytes: usize) -> Result<Self, CudaError> {
        context.bind()?;
        let pointer = if bytes == 0 {
            0
        } else {
            // SAFETY: the context is bound; the pointer is freed once, in `Drop`.
            unsafe { result::malloc_sync(bytes) }.during(|| format!("allocating {bytes} bytes"))?
        };
        Ok(Self { pointer, bytes, context: context.clone() })
    }

    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The GPU on which it lies.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The address of the first byte; 0 for an empty buffer.
    pub fn address(&self) -> CUdeviceptr {
        self.pointer
    }

    /// Copies all of `source` to the front of the buffer, and waits for it.
    ///
    /// # Panics
    /// If `source` is longer than the buffer.
    pub fn write(&mut self, source: &[u8]) -> Result<(), CudaError> {
        assert!(source.len() <= self.bytes, "{} bytes do not fit into {}", source.len(), self.bytes);
        if source.is_empty() {
            return Ok(());
        }
        self.context.bind()?;
        // SAFETY: the destination is at least as long as the source.
        unsafe { result::memcpy_htod_sync(self.pointer, source) }
            .during(|| format!("copying {} bytes to the GPU", source.len()))?;
        // A copy from pageable memory may return before its last part has arrived, and streams do not wait for it.
        self.context.synchronize()
    }

    /// The address of the byte at `offset`, from which `bytes` bytes belong to the buffer.
    ///
    /// # Panics
    /// If they reach past the end.
    pub fn address_of(&self, offset: usize, bytes: usize) -> CUdeviceptr {
        let fits = offset.checked_add(bytes).is_some_and(|end| end <= self.bytes);
        assert!(fits, "{bytes} bytes at {offset} reach past the end of {}", self.bytes);
        self.pointer + offset as u64
    }

    /// Copies the front of the buffer into all of `destination`, and waits for it. Work on non-blocking streams must
    /// have been waited for.
    ///
    /// # Panics
    /// If `destination` is longer than the buffer.
    pub fn read(&self, destination: &mut [u8]) -> Result<(), CudaError> {
        self.read_at(0, destination)
    }

    /// As [`DeviceBuffer::read`], from the byte at `offset` on.
    ///
    /// # Panics
    /// If that reaches past the end.
    pub fn read_at(&self, offset: usize, destination: &mut [u8]) -> Result<(), CudaError> {
        let bytes = destination.len();
        let source = self.address_of(offset, bytes);
        if bytes == 0 {
            return Ok(());
        }
        self.context.bind()?;
        // SAFETY: the source lies within the buffer.
        unsafe { result::memcpy_dtoh_sync(destination, source) }
            .during(|| format!("copying {bytes} bytes from the GPU"))
    }
}

impl Drop for DeviceBuffer {
    fn drop(&mut self) {
        if self.bytes != 0 && self.context.bind().is_ok() {
            // SAFETY: allocated in `new` in this context. An error means that the context is lost, and the memory with
            // it.
            let _ = unsafe { result::free_sync(self.pointer) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "needs an NVIDIA GPU"]
    fn bytes_come_back_as_they_went() {
        let _alone = crate::cuda::alone();
        let context = Context::new(0).unwrap();
        let mut buffer = DeviceBuffer::new(&context, 1000).unwrap();
        let sent: Vec<u8> = (0..1000_u32).map(|position| (position * 7) as u8).collect();
        buffer.write(&sent).unwrap();
        let mut received = vec![0; 1000];
        buffer.read(&mut received).unwrap();
        assert_eq!(sent, received);
    }

    #[test]
    #[ignore = "needs an NVIDIA GPU"]
    fn too_large_an_allocation_is_out_of_memory_and_leaves_the_context_usable() {
        let _alone = crate::cuda::alone();
        let context = Context::new(0).unwrap();
        let error = DeviceBuffer::new(&context, 1 << 50).err().unwrap();
        assert!(error.is_out_of_memory(), "{error}");
        assert!(DeviceBuffer::new(&context, 16).is_ok());
    }
}
