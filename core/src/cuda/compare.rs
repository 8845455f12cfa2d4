//! Comparison of tensors where they lie, for repeats that are too many to bring to the host.

use super::{Context, CudaError, Device, DeviceBuffer, DeviceTensor, Geometry, Launch, Stream};

/// Threads of a block that compares.
const THREADS: u32 = 256;

/// Counts what differs between tensors of one layout.
pub struct DeviceComparison {
    count: DeviceBuffer,
}

impl DeviceComparison {
    /// A comparison on this GPU.
    pub fn new(context: &Context) -> Result<Self, CudaError> {
        Ok(Self { count: DeviceBuffer::new(context, size_of::<u64>())? })
    }

    /// Whether every byte of every pair is equal, guards and padding included. Waits for the stream.
    ///
    /// # Panics
    /// If the tensors of a pair differ in size.
    pub fn equal(
        &mut self,
        device: &Device,
        stream: &Stream,
        actual: &[DeviceTensor],
        expected: &[DeviceTensor],
    ) -> Result<bool, CudaError> {
        // SAFETY: the buffer is this comparison's own.
        unsafe { stream.fill(self.count.address(), size_of::<u64>(), 0) }?;
        let kernel = device.kernels().kernel("count_differences")?;
        assert_eq!(actual.len(), expected.len());
        for (actual, expected) in actual.iter().zip(expected) {
            let (actual, expected) = (actual.buffer(), expected.buffer());
            assert_eq!(actual.bytes(), expected.bytes());
            // Guarded tensors are a whole number of 64-byte lines.
            let words = (actual.bytes() / 16) as u64;
            let limit = 32 * device.context().properties().multiprocessors;
            let blocks = Geometry::default().blocks(words, THREADS.into(), limit);
            // SAFETY: the arguments are those of `count_differences`; both buffers are `words` long, and all three are
            // borrowed until the synchronisation below.
            unsafe {
                stream.launch(
                    kernel,
                    Launch::plain(blocks, THREADS),
                    &[&actual.address(), &expected.address(), &words, &self.count.address()],
                )
            }?;
        }
        stream.synchronize()?;
        let mut count = [0; size_of::<u64>()];
        self.count.read(&mut count)?;
        Ok(u64::from_ne_bytes(count) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dtype::DType,
        tensor::{HostTensor, TensorSpec},
    };

    #[test]
    #[ignore = "needs an NVIDIA GPU"]
    fn one_bit_anywhere_is_found() {
        let _alone = crate::cuda::alone();
        let device = Device::open(0).unwrap();
        let stream = Stream::new(device.context()).unwrap();
        let mut comparison = DeviceComparison::new(device.context()).unwrap();
        let spec = TensorSpec::new("y", DType::Bf16, [1001]).unwrap();
        let original = HostTensor::poisoned(spec, 0x11);
        let upload = |host: &HostTensor| vec![DeviceTensor::from_host(device.context(), host).unwrap()];
        let expected = upload(&original);
        assert!(comparison.equal(&device, &stream, &upload(&original), &expected).unwrap());
        for position in [0, 1, 500, 2000, 2001] {
            let mut changed = original.clone();
            changed.bytes_mut()[position] ^= 0x80;
            assert!(!comparison.equal(&device, &stream, &upload(&changed), &expected).unwrap(), "{position}");
        }
    }
}
