//! `fuse` on a GPU: one launch for all streams.

use robocache_kernels::limits;

use super::{FuseShape, MAX_STREAMS};
use crate::{
    cuda::{Call, CudaError, CudaProblem, KernelArgument},
    dtype::DType,
    operators::resample::cuda::{StreamArgument, TimelineArgument},
};

const _: () = assert!(MAX_STREAMS == limits::STREAMS, "the kernel's table has another length");

/// The kernel launch of a fuse problem. Inputs are `tt`, then `x_0`, `ts_0`, `x_1`, `ts_1` and so on; the output is `y`.
#[derive(Clone, Debug)]
pub struct CudaFuse {
    /// The extents.
    pub shape: FuseShape,
    /// The element type of all `x_i` and of `y`.
    pub dtype: DType,
}

/// `StreamTable` of `fuse.cu`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct StreamTable {
    streams: [StreamArgument; MAX_STREAMS],
    count: u64,
}

// SAFETY: words throughout, as the C++ type.
unsafe impl KernelArgument for StreamTable {}

impl CudaProblem for CudaFuse {
    fn enqueue(&self, call: Call<'_>) -> Result<(), CudaError> {
        let FuseShape { batch, target, ref streams, times } = self.shape;
        if batch == 0 || target == 0 {
            return Ok(());
        }
        let (targets, sources) = (&call.inputs[0], &call.inputs[1..]);
        let mut table = StreamTable { streams: [StreamArgument::default(); MAX_STREAMS], count: streams.len() as u64 };
        let mut width = 0;
        for (slot, (stream, source)) in table.streams.iter_mut().zip(streams.iter().zip(sources.chunks_exact(2))) {
            *slot = StreamArgument::new(&source[0], &source[1], stream.source, stream.channels, width);
            width += stream.channels;
        }
        let timeline = TimelineArgument::new(
            targets,
            &call.outputs[0],
            self.dtype,
            [batch, target, width],
            width / streams.len(),
            call.geometry,
        );
        let kernel = call.kernels.kernel(&format!("fuse_{}_{}", self.dtype, times.dtype()))?;
        let blocks = call.geometry.blocks(timeline.tiles() * table.count, 1, u32::MAX);
        // SAFETY: the arguments are those of the kernel, and the tensors have the shapes that they say.
        unsafe { call.stream.launch(kernel, blocks, call.geometry.threads, &[&table, &timeline]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cuda::{Device, DeviceTensor, Geometry, Stream, Workspace},
        operators::{fuse::StreamShape, times::TimeKind},
        tensor::{HostTensor, TensorSpec},
    };

    #[test]
    fn the_table_has_the_size_of_its_declaration() {
        assert_eq!(size_of::<StreamTable>(), 16 * 40 + 8);
    }

    #[test]
    #[ignore = "needs an NVIDIA GPU"]
    fn streams_lie_side_by_side() {
        let device = Device::open(0).unwrap();
        let context = device.context();
        let streams = vec![StreamShape { source: 2, channels: 1 }, StreamShape { source: 1, channels: 2 }];
        let shape = FuseShape { batch: 1, target: 3, streams, times: TimeKind::F32Seconds };
        let tensor = |name: &str, extents: &[usize], elements: &[f32]| {
            let spec = TensorSpec::new(name, DType::F32, extents).unwrap();
            DeviceTensor::from_host(context, &HostTensor::from_slice(spec, elements)).unwrap()
        };
        let inputs = [
            tensor("tt", &[1, 3], &[-1.0, 0.25, 2.0]),
            tensor("x_0", &[1, 2, 1], &[4.0, 8.0]),
            tensor("ts_0", &[1, 2], &[0.0, 1.0]),
            tensor("x_1", &[1, 1, 2], &[-0.0, 7.0]),
            tensor("ts_1", &[1, 1], &[0.5]),
        ];
        let mut outputs = [tensor("y", &[1, 3, 3], &[f32::NAN; 9])];
        let stream = Stream::new(context).unwrap();
        for geometry in [Geometry::default()].into_iter().chain(Geometry::ALTERNATIVES) {
            outputs[0].fill(&stream, 0xFF).unwrap();
            CudaFuse { shape: shape.clone(), dtype: DType::F32 }
                .enqueue(Call {
                    stream: &stream,
                    kernels: device.kernels(),
                    geometry,
                    inputs: &inputs,
                    outputs: &mut outputs,
                    workspace: &mut Workspace::new(context, 0).unwrap(),
                })
                .unwrap();
            stream.synchronize().unwrap();
            let host = outputs[0].to_host().unwrap();
            let expected = [4.0_f32, -0.0, 7.0, 5.0, -0.0, 7.0, 8.0, -0.0, 7.0];
            assert_eq!(
                host.as_slice::<f32>().iter().map(|y| y.to_bits()).collect::<Vec<_>>(),
                expected.map(f32::to_bits)
            );
            assert_eq!(host.check_guards(), Ok(()));
        }
    }
}
