//! `fuse` on a GPU: one launch for all streams.

use robocache_kernels::limits;

use super::{FuseProblem, FuseShape, MAX_STREAMS};
use crate::{
    cuda::{Call, CudaError, CudaProblem, KernelArgument},
    operators::resample::cuda::{StreamArgument, TimelineArgument},
};

const _: () = assert!(MAX_STREAMS == limits::STREAMS, "the kernel's table has another length");

/// `StreamTable` of `fuse.cu`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct StreamTable {
    streams: [StreamArgument; MAX_STREAMS],
    count: u64,
}

// SAFETY: words throughout, as the C++ type.
unsafe impl KernelArgument for StreamTable {}

impl CudaProblem for FuseProblem {
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

    #[test]
    fn the_table_has_the_size_of_its_declaration() {
        assert_eq!(size_of::<StreamTable>(), 16 * 40 + 8);
    }
}
