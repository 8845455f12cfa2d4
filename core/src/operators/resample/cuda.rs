//! `resample` on a GPU: one launch.

use robocache_kernels::limits;

use super::{
    ResampleProblem, ResampleShape,
    tiles::{Block, Row, Tiles},
};
use crate::cuda::{Call, CudaError, CudaProblem, DeviceTensor, KernelArgument, Launch, Start};

/// What resamples a wide batch fastest.
const BLOCK: Block = Block { threads: 256, accesses_per_thread: 4, tiles_per_multiprocessor: 4 };

impl CudaProblem for ResampleProblem {
    fn enqueue(&self, call: Call<'_>) -> Result<(), CudaError> {
        let ResampleShape { batch, source, channels, target, times } = self.shape;
        if batch == 0 || target == 0 {
            return Ok(());
        }
        let [samples, source_times, targets] = call.inputs else { unreachable!("a session checks the inputs") };
        let threads = call.geometry.threads.unwrap_or(BLOCK.threads);
        let row = Row { bytes: channels * self.dtype.size_bytes() };
        let tiles = Tiles::choose(&[row], batch, target, Block { threads, ..BLOCK }, &call);
        let tile = tiles.targets[0];
        let tiles_per_batch = (target as u64).div_ceil(tile);
        let stream = StreamArgument::new(samples, source_times, [source, channels], 0, tile);
        let timeline = TimelineArgument::new(targets, &call.outputs[0], [batch, target, channels], &tiles);
        let staged = staged_times([source]);
        let kernel = call.kernels.kernel(&format!("resample_{}_{}", self.dtype, times.dtype()))?;
        let launch = Launch {
            blocks: call.geometry.blocks(batch as u64 * tiles_per_batch, 1, u32::MAX),
            threads,
            shared_bytes: shared_bytes(tile, staged, times.dtype().size_bytes()),
            start: Start::Early,
        };
        // SAFETY: the arguments are those of the kernel, which waits for the previous one, and the tensors have the shapes
        // that they say.
        unsafe { call.stream.launch(kernel, launch, &[&stream, &timeline, &tiles_per_batch, &staged]) }
    }
}

/// How many sample times a block stages in shared memory: those of the longest stream that is not too long.
pub(crate) fn staged_times(sources: impl IntoIterator<Item = usize>) -> u64 {
    sources.into_iter().map(|source| source as u64).filter(|&source| source <= limits::STAGED_TIMES).max().unwrap_or(0)
}

/// Dynamic shared memory of a block with tiles of up to `tile` targets.
pub(crate) fn shared_bytes(tile: u64, staged_times: u64, time_bytes: usize) -> u32 {
    // At most 256 * 16 + 2048 * 8 bytes.
    (tile * limits::PLACE_BYTES + staged_times * time_bytes as u64) as u32
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
    targets_per_tile: u64,
}

// SAFETY: six words, as the C++ type.
unsafe impl KernelArgument for StreamArgument {}

impl StreamArgument {
    pub(crate) fn new(
        samples: &DeviceTensor,
        times: &DeviceTensor,
        [source, channels]: [usize; 2],
        column: usize,
        targets_per_tile: u64,
    ) -> Self {
        Self {
            samples: samples.address(),
            times: times.address(),
            sample_count: source as u64,
            width: channels as u64,
            column: column as u64,
            targets_per_tile,
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
    fetches_ahead: u64,
}

// SAFETY: six words, as the C++ type.
unsafe impl KernelArgument for TimelineArgument {}

impl TimelineArgument {
    pub(crate) fn new(
        targets: &DeviceTensor,
        output: &DeviceTensor,
        [batch, target, width]: [usize; 3],
        tiles: &Tiles,
    ) -> Self {
        Self {
            targets: targets.address(),
            output: output.address(),
            batch_count: batch as u64,
            target_count: target as u64,
            width: width as u64,
            fetches_ahead: tiles.fetch_ahead.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_have_the_size_of_their_declarations() {
        assert_eq!(size_of::<StreamArgument>(), 48);
        assert_eq!(size_of::<TimelineArgument>(), 48);
    }

    #[test]
    fn long_streams_are_not_staged_and_do_not_keep_others_from_it() {
        assert_eq!(staged_times([500]), 500);
        assert_eq!(staged_times([2049]), 0);
        assert_eq!(staged_times([100, 5000, 300]), 300);
        assert!(shared_bytes(limits::TARGETS_PER_TILE, limits::STAGED_TIMES, 8) <= 48 << 10);
    }
}
