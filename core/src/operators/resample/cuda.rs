//! `resample` on a GPU: one launch.

use robocache_kernels::limits;

use super::{ResampleProblem, ResampleShape};
use crate::{
    cuda::{Call, CudaError, CudaProblem, DeviceTensor, Geometry, KernelArgument},
    dtype::DType,
};

impl CudaProblem for ResampleProblem {
    fn enqueue(&self, call: Call<'_>) -> Result<(), CudaError> {
        let ResampleShape { batch, source, channels, target, times } = self.shape;
        if batch == 0 || target == 0 {
            return Ok(());
        }
        let [samples, source_times, targets] = call.inputs else { unreachable!("a session checks the inputs") };
        let stream = StreamArgument::new(samples, source_times, source, channels, 0);
        let timeline = TimelineArgument::new(
            targets,
            &call.outputs[0],
            self.dtype,
            [batch, target, channels],
            channels,
            call.geometry,
        );
        let kernel = call.kernels.kernel(&format!("resample_{}_{}", self.dtype, times.dtype()))?;
        let blocks = call.geometry.blocks(timeline.tiles(), 1, u32::MAX);
        // SAFETY: the arguments are those of the kernel, and the tensors have the shapes that they say.
        unsafe { call.stream.launch(kernel, blocks, call.geometry.threads, &[&stream, &timeline]) }
    }
}

/// `Stream` of `interpolate.cuh`: samples `[B, sample_count, width]` at times `[B, sample_count]`, for the output's
/// columns from `column` on.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct StreamArgument {
    samples: u64,
    times: u64,
    sample_count: u64,
    width: u64,
    column: u64,
}

// SAFETY: five words, as the C++ type.
unsafe impl KernelArgument for StreamArgument {}

impl StreamArgument {
    pub(crate) fn new(
        samples: &DeviceTensor,
        times: &DeviceTensor,
        source: usize,
        channels: usize,
        column: usize,
    ) -> Self {
        Self {
            samples: samples.address(),
            times: times.address(),
            sample_count: source as u64,
            width: channels as u64,
            column: column as u64,
        }
    }
}

/// `Timeline` of `interpolate.cuh`: targets `[batch_count, target_count]` and output
/// `[batch_count, target_count, width]`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct TimelineArgument {
    targets: u64,
    output: u64,
    batch_count: u64,
    target_count: u64,
    width: u64,
    targets_per_tile: u64,
}

// SAFETY: six words, as the C++ type.
unsafe impl KernelArgument for TimelineArgument {}

impl TimelineArgument {
    /// `stream_width` is the typical number of channels of a stream, by which tiles are sized.
    pub(crate) fn new(
        targets: &DeviceTensor,
        output: &DeviceTensor,
        dtype: DType,
        [batch, target, width]: [usize; 3],
        stream_width: usize,
        geometry: Geometry,
    ) -> Self {
        let tile = geometry.targets_per_tile.map_or_else(|| default_tile(stream_width, dtype), u64::from);
        Self {
            targets: targets.address(),
            output: output.address(),
            batch_count: batch as u64,
            target_count: target as u64,
            width: width as u64,
            targets_per_tile: tile.clamp(1, limits::TARGETS_PER_TILE),
        }
    }

    /// Tiles of one stream.
    pub(crate) fn tiles(&self) -> u64 {
        self.batch_count * self.target_count.div_ceil(self.targets_per_tile)
    }
}

/// Targets that make a tile of about 1024 accesses of 16 bytes: enough to keep a block busy after its search, and
/// small enough for several blocks on each multiprocessor.
fn default_tile(channels: usize, dtype: DType) -> u64 {
    let accesses_per_row = (channels as u64 * dtype.size_bytes() as u64).div_ceil(16).max(1);
    (1024 / accesses_per_row).clamp(8, limits::TARGETS_PER_TILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_have_the_size_of_their_declarations() {
        assert_eq!(size_of::<StreamArgument>(), 40);
        assert_eq!(size_of::<TimelineArgument>(), 48);
    }

    #[test]
    fn tiles_shrink_as_rows_grow() {
        assert_eq!(default_tile(256, DType::Bf16), 32);
        assert_eq!(default_tile(1, DType::F16), 128);
        assert_eq!(default_tile(1_000_000, DType::F32), 8);
    }
}
