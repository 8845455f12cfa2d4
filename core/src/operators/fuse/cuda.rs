//! `fuse` on a GPU: one launch for all streams.

use robocache_kernels::limits;

use super::{FuseProblem, FuseShape, MAX_STREAMS};
use crate::{
    cuda::{Call, CudaError, CudaProblem, KernelArgument, Launch, Start},
    operators::resample::{
        cuda::{StreamArgument, TimelineArgument, shared_bytes, staged_times},
        tiles::{Block, Row, Tiles},
    },
};

const _: () = assert!(MAX_STREAMS == limits::STREAMS, "the kernel's table has another length");

/// What fuses a wide batch fastest.
const BLOCK: Block = Block { threads: 256, accesses_per_thread: 16, tiles_per_multiprocessor: 2 };

/// `StreamTable` of `fuse.cu`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct StreamTable {
    tiles_per_batch: u64,
    targets_per_tile: u64,
    tiles: [u32; MAX_STREAMS],
    streams: [StreamArgument; MAX_STREAMS],
}

// SAFETY: words without padding, as the C++ type.
unsafe impl KernelArgument for StreamTable {}

impl CudaProblem for FuseProblem {
    fn enqueue(&self, call: Call<'_>) -> Result<(), CudaError> {
        let FuseShape { batch, target, ref streams, times } = self.shape;
        if batch == 0 || target == 0 {
            return Ok(());
        }
        let threads = call.geometry.threads.unwrap_or(BLOCK.threads);
        let (targets, sources) = (&call.inputs[0], &call.inputs[1..]);
        let rows: Vec<Row> =
            streams.iter().map(|stream| Row { bytes: stream.channels * self.dtype.size_bytes() }).collect();
        let tiles = Tiles::choose(&rows, batch, target, Block { threads, ..BLOCK }, &call);
        let mut table = StreamTable {
            tiles_per_batch: 0,
            targets_per_tile: tiles.targets.iter().copied().max().unwrap_or(1),
            tiles: [0; MAX_STREAMS],
            streams: [StreamArgument::default(); MAX_STREAMS],
        };
        let mut width = 0;
        for (number, (stream, source)) in streams.iter().zip(sources.chunks_exact(2)).enumerate() {
            let shape = [stream.source, stream.channels];
            table.streams[number] = StreamArgument::new(&source[0], &source[1], shape, width, tiles.targets[number]);
            // Targets are at most i32::MAX.
            table.tiles[number] = (target as u64).div_ceil(tiles.targets[number]) as u32;
            table.tiles_per_batch += u64::from(table.tiles[number]);
            width += stream.channels;
        }
        let timeline = TimelineArgument::new(targets, &call.outputs[0], [batch, target, width], &tiles);
        let staged = staged_times(streams.iter().map(|stream| stream.source));
        let kernel = call.kernels.kernel(&format!("fuse_{}_{}", self.dtype, times.dtype()))?;
        let launch = Launch {
            blocks: call.geometry.blocks(batch as u64 * table.tiles_per_batch, 1, u32::MAX),
            threads,
            shared_bytes: shared_bytes(table.targets_per_tile, staged, times.dtype().size_bytes()),
            start: Start::Early,
        };
        // SAFETY: the arguments are those of the kernel, which waits for the previous one, and the tensors have the shapes
        // that they say.
        unsafe { call.stream.launch(kernel, launch, &[&table, &timeline, &staged]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_size_of_its_declaration() {
        assert_eq!(size_of::<StreamTable>(), 16 + 16 * 4 + 16 * 48);
    }
}
