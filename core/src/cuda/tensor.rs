//! Dense tensors on a GPU, with the same guards around the payload as on the host.

use super::{Context, CudaError, DeviceBuffer, Stream};
use crate::tensor::{GUARD_BYTES, HostTensor, TensorSpec};

/// A dense row-major tensor in device memory, laid out byte for byte as [`HostTensor`]: guard, payload, padding, guard.
///
/// The payload is aligned to 256 bytes.
pub struct DeviceTensor {
    spec: TensorSpec,
    buffer: DeviceBuffer,
}

impl DeviceTensor {
    /// A copy of a host tensor, guards included. Waits until it is complete.
    pub fn from_host(context: &Context, host: &HostTensor) -> Result<Self, CudaError> {
        let mut buffer = DeviceBuffer::new(context, host.guarded_bytes().len())?;
        buffer.write(host.guarded_bytes())?;
        Ok(Self { spec: host.spec().clone(), buffer })
    }

    /// A tensor of zeros with intact guards.
    pub fn zeros(context: &Context, spec: TensorSpec) -> Result<Self, CudaError> {
        Self::from_host(context, &HostTensor::zeros(spec))
    }

    /// Name, element type and shape.
    pub fn spec(&self) -> &TensorSpec {
        &self.spec
    }

    /// The address of the first element, for kernels.
    pub fn address(&self) -> u64 {
        self.buffer.address() + GUARD_BYTES as u64
    }

    /// The whole allocation: payload, padding and guards.
    pub(super) fn buffer(&self) -> &DeviceBuffer {
        &self.buffer
    }

    /// Enqueues that every payload byte becomes `pattern`; guards keep what they hold.
    pub fn fill(&mut self, stream: &Stream, pattern: u8) -> Result<(), CudaError> {
        // SAFETY: the payload lies within the allocation, which the exclusive borrow shows to be in no other hands.
        unsafe { stream.fill(self.address(), self.spec.bytes(), pattern) }
    }

    /// The tensor as it now lies on the GPU, guards included: [`HostTensor::check_guards`] tells whether a kernel
    /// wrote outside the payload. Work on it must have been waited for.
    pub fn to_host(&self) -> Result<HostTensor, CudaError> {
        let mut host = HostTensor::zeros(self.spec.clone());
        self.buffer.read(host.guarded_bytes_mut())?;
        Ok(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dtype::DType, tensor::GuardSide};

    fn spec(elements: usize) -> TensorSpec {
        TensorSpec::new("y", DType::F32, [elements]).unwrap()
    }

    #[test]
    #[ignore = "needs an NVIDIA GPU"]
    fn payload_and_guards_survive_the_way_there_and_back() {
        let _alone = crate::cuda::alone();
        let context = Context::new(0).unwrap();
        for elements in [0, 1, 1000] {
            let sent = HostTensor::poisoned(spec(elements), 0x5C);
            let received = DeviceTensor::from_host(&context, &sent).unwrap().to_host().unwrap();
            assert_eq!(sent.guarded_bytes(), received.guarded_bytes());
            assert_eq!(received.check_guards(), Ok(()));
        }
    }

    #[test]
    #[ignore = "needs an NVIDIA GPU"]
    fn filling_reaches_every_byte_of_the_payload_and_no_other() {
        let _alone = crate::cuda::alone();
        let context = Context::new(0).unwrap();
        let stream = Stream::new(&context).unwrap();
        let mut tensor = DeviceTensor::zeros(&context, spec(77)).unwrap();
        tensor.fill(&stream, 0xFF).unwrap();
        stream.synchronize().unwrap();
        let host = tensor.to_host().unwrap();
        assert!(host.bytes().iter().all(|&byte| byte == 0xFF));
        assert_eq!(host.check_guards(), Ok(()));
    }

    #[test]
    #[ignore = "needs an NVIDIA GPU"]
    fn a_write_past_the_end_is_found() {
        let _alone = crate::cuda::alone();
        let context = Context::new(0).unwrap();
        let stream = Stream::new(&context).unwrap();
        let tensor = DeviceTensor::zeros(&context, spec(8)).unwrap();
        // SAFETY: one byte past the payload still lies within the allocation.
        unsafe { stream.fill(tensor.address(), 33, 0) }.unwrap();
        stream.synchronize().unwrap();
        let violation = tensor.to_host().unwrap().check_guards().unwrap_err();
        assert_eq!((violation.side, violation.distance), (GuardSide::After, 1));
    }
}
