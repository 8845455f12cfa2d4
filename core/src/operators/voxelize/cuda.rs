//! `voxelize` on a GPU: two launches for `count` and `occupancy`, four for `mean` and `max`.

use robocache_kernels::limits;

use super::{VoxelMode, VoxelizeProblem, VoxelizeShape};
use crate::cuda::{Call, CudaError, CudaProblem, KernelArgument, Launch, Start};

/// Threads of a block.
const THREADS: u32 = 256;

/// Threads of a block that writes voxels: few, so that a place is soon free for the next one.
const WRITING_THREADS: u32 = 64;

/// Threads of a block that waits for all others: many, so that there are few blocks to start when there is nothing to do.
const WAITING_THREADS: u32 = 1024;

/// `Grid` of `voxel_grid.cuh`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct GridArgument {
    origin: [f32; 3],
    voxel_size: f32,
    extent: [u32; 3],
    padding: u32,
}

// SAFETY: eight words without padding but the named one, as the C++ type.
unsafe impl KernelArgument for GridArgument {}

/// `Cloud` of `voxel_grid.cuh`: points `[point_count, 3]`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct CloudArgument {
    points: u64,
    point_count: u64,
}

// SAFETY: two words, as the C++ type.
unsafe impl KernelArgument for CloudArgument {}

/// `PointIndex` of `point_index.cuh`: addresses within the workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
struct IndexArgument {
    table: u64,
    next: u64,
}

// SAFETY: two words, as the C++ type.
unsafe impl KernelArgument for IndexArgument {}

/// `HeavyVoxels` of `heavy_voxels.cuh`: addresses within the workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
struct HeavyArgument {
    cursors: u64,
    voxels: u64,
    counts: u64,
    starts: u64,
    first_pieces: u64,
    pieces: u64,
    ranks: u64,
    order: u64,
    accumulators: u64,
}

// SAFETY: nine words, as the C++ type.
unsafe impl KernelArgument for HeavyArgument {}

/// Cuts a workspace at `base` into parts that are aligned to 16 bytes, and tells its size in bytes.
fn lay_out(base: u64, shape: &VoxelizeShape) -> (IndexArgument, HeavyArgument, u64) {
    let points = shape.points as u64;
    // Each heavy voxel has at least one point more than a light one may have, and at most one piece that is not full.
    let heavy = points / (limits::LIGHT_POINTS + 1);
    let pieces = points / limits::PIECE_POINTS + heavy;
    let mut end = base;
    let mut part = |bytes: u64| {
        let start = end;
        end += bytes.next_multiple_of(16);
        start
    };
    let index = IndexArgument { table: part(4 * voxel_count(shape)), next: part(4 * points) };
    let heavy = HeavyArgument {
        cursors: part(16),
        voxels: part(8 * heavy),
        counts: part(4 * heavy),
        starts: part(4 * heavy),
        first_pieces: part(4 * heavy),
        pieces: part(4 * pieces),
        ranks: part(4 * points),
        order: part(4 * points),
        accumulators: part(8 * heavy * accumulator_words(shape)),
    };
    (index, heavy, end - base)
}

fn voxel_count(shape: &VoxelizeShape) -> u64 {
    shape.grid.iter().map(|&extent| extent as u64).product()
}

/// 8-byte words in which one heavy voxel is accumulated.
fn accumulator_words(shape: &VoxelizeShape) -> u64 {
    let words = match shape.mode {
        VoxelMode::Count | VoxelMode::Occupancy => 0,
        VoxelMode::Mean => limits::MEAN_WORDS,
        VoxelMode::Max => limits::MAX_WORDS,
    };
    shape.features as u64 * words
}

impl CudaProblem for VoxelizeProblem {
    fn workspace_bytes(&self) -> usize {
        if self.shape.mode.takes_features() { lay_out(0, &self.shape).2 as usize } else { 0 }
    }

    fn enqueue(&self, call: Call<'_>) -> Result<(), CudaError> {
        if self.shape.points == 0 {
            // Every voxel is empty: a memset, and no launch.
            return call.outputs.iter_mut().try_for_each(|output| output.fill(call.stream, 0));
        }
        match self.shape.mode {
            VoxelMode::Count => self.enqueue_marks(&call, "voxelize_count"),
            VoxelMode::Occupancy => self.enqueue_marks(&call, "voxelize_occupancy"),
            VoxelMode::Mean => self.enqueue_reduction(&call, "mean"),
            VoxelMode::Max => self.enqueue_reduction(&call, "max"),
        }
    }
}

impl VoxelizeProblem {
    fn grid(&self) -> GridArgument {
        let VoxelizeShape { origin, voxel_size, grid, .. } = self.shape;
        // Extents are at most i32::MAX.
        GridArgument { origin, voxel_size, extent: grid.map(|extent| extent as u32), padding: 0 }
    }

    fn cloud(&self, call: &Call<'_>) -> CloudArgument {
        CloudArgument { points: call.inputs[0].address(), point_count: self.shape.points as u64 }
    }

    /// `count` and `occupancy`: clear, then mark.
    fn enqueue_marks(&self, call: &Call<'_>, kernel: &str) -> Result<(), CudaError> {
        let (grid, cloud) = (self.grid(), self.cloud(call));
        let (voxels, dropped) = (call.outputs[0].address(), call.outputs[1].address());
        // SAFETY: the arguments are those of the kernels, which wait for the previous one, and the tensors have the shapes
        // that they say. `kernel` reads its inputs before it waits: they are finished, because `voxelize_clear` lets it
        // start only after its own wait.
        unsafe {
            self.enqueue_clear(call, voxels, dropped)?;
            let mark = of_points(call, cloud.point_count);
            call.stream.launch(call.kernels.kernel(kernel)?, mark, &[&cloud, &grid, &voxels, &dropped])
        }
    }

    /// `mean` and `max`: clear the index, build it, and write each voxel; those of very many points come last.
    fn enqueue_reduction(&self, call: &Call<'_>, mode: &str) -> Result<(), CudaError> {
        let (grid, cloud) = (self.grid(), self.cloud(call));
        let features = call.inputs[1].address();
        let (voxels, dropped) = (call.outputs[0].address(), call.outputs[1].address());
        let voxel_count = voxel_count(&self.shape);
        let width = self.shape.features as u64;
        let (index, heavy, bytes) = lay_out(call.workspace.address(), &self.shape);
        assert!(bytes <= call.workspace.bytes() as u64, "the workspace is smaller than `workspace_bytes` says");
        let kernel = |name: &str| call.kernels.kernel(&format!("voxelize_{name}_{}", self.dtype));
        let writing_threads = call.geometry.threads.unwrap_or(WRITING_THREADS);
        let write = Launch {
            blocks: call.geometry.blocks(voxel_count, u64::from(writing_threads), u32::MAX),
            threads: writing_threads,
            shared_bytes: 0,
            start: Start::Early,
        };
        let reduce_heavy = kernel(&format!("heavy_{mode}"))?;
        let threads = call.geometry.threads.unwrap_or(WAITING_THREADS);
        // All blocks wait for one another.
        let resident = call.kernels.resident_blocks(reduce_heavy, threads)?;
        let together = Launch {
            blocks: call.geometry.blocks(cloud.point_count, threads.into(), resident).min(resident),
            threads,
            shared_bytes: 0,
            start: Start::TogetherEarly,
        };
        // SAFETY: the arguments are those of the kernels, which wait for the previous one, the tensors have the shapes that
        // they say, and index and heavy voxels lie within the workspace, which the call borrows exclusively.
        // `voxelize_index` reads the cloud before it waits, as the kernels of `enqueue_marks` do.
        unsafe {
            self.enqueue_clear(call, index.table, dropped)?;
            let insert = of_points(call, cloud.point_count);
            let arguments: &[&dyn KernelArgument] = &[&cloud, &grid, &index, &heavy.cursors, &dropped];
            call.stream.launch(call.kernels.kernel("voxelize_index")?, insert, arguments)?;
            let arguments: &[&dyn KernelArgument] = &[&index, &heavy, &voxel_count, &features, &width, &voxels];
            call.stream.launch(kernel(mode)?, write, arguments)?;
            let arguments: &[&dyn KernelArgument] = &[&cloud, &grid, &index, &heavy, &features, &width, &voxels];
            call.stream.launch(reduce_heavy, together, arguments)
        }
    }

    /// Zeroes a word for each voxel, and the number of dropped points.
    ///
    /// # Safety
    /// Both addresses must be valid for that, until the work is done.
    unsafe fn enqueue_clear(&self, call: &Call<'_>, words: u64, dropped: u64) -> Result<(), CudaError> {
        let threads = call.geometry.threads.unwrap_or(THREADS);
        // What a multiprocessor holds at once: more blocks take longer to come and go than to write.
        let limit = 8 * call.kernels.context().properties().multiprocessors;
        let blocks = call.geometry.blocks(voxel_count(&self.shape), 4 * u64::from(threads), limit);
        let clear = Launch { blocks, threads, shared_bytes: 0, start: Start::Early };
        // SAFETY: the arguments are those of the kernel; the rest is the caller's promise.
        unsafe { call.stream.launch(call.kernels.kernel("voxelize_clear")?, clear, &[&self.grid(), &words, &dropped]) }
    }
}

/// A thread for each point, up to some number.
fn of_points(call: &Call<'_>, point_count: u64) -> Launch {
    let threads = call.geometry.threads.unwrap_or(THREADS);
    // Eight times what a multiprocessor can hold at once: enough to even out unequal blocks.
    let limit = 64 * call.kernels.context().properties().multiprocessors;
    let blocks = call.geometry.blocks(point_count, u64::from(threads), limit);
    Launch { blocks, threads, shared_bytes: 0, start: Start::Early }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(mode: VoxelMode, points: usize) -> VoxelizeShape {
        let features = if mode.takes_features() { 2 } else { 0 };
        VoxelizeShape { points, features, grid: [2, 1, 3], mode, origin: [-1.0, 0.0, 0.0], voxel_size: 0.5 }
    }

    #[test]
    fn arguments_have_the_size_of_their_declarations() {
        assert_eq!(size_of::<GridArgument>(), 32);
        assert_eq!(size_of::<CloudArgument>(), 16);
        assert_eq!(size_of::<IndexArgument>(), 16);
        assert_eq!(size_of::<HeavyArgument>(), 72);
    }

    #[test]
    fn parts_of_the_workspace_are_aligned_and_apart() {
        for points in [1, 64, 65, 10_000] {
            let shape = VoxelizeShape { features: 3, ..shape(VoxelMode::Mean, points) };
            let (index, voxels, bytes) = lay_out(256, &shape);
            let points = points as u64;
            let heavy = points / 65;
            let ends = [
                (index.table, 4 * 6),
                (index.next, 4 * points),
                (voxels.cursors, 16),
                (voxels.voxels, 8 * heavy),
                (voxels.counts, 4 * heavy),
                (voxels.starts, 4 * heavy),
                (voxels.first_pieces, 4 * heavy),
                (voxels.pieces, 4 * (points / 1024 + heavy)),
                (voxels.ranks, 4 * points),
                (voxels.order, 4 * points),
                (voxels.accumulators, 8 * heavy * 3 * 12),
                (256 + bytes, 0),
            ];
            for pair in ends.windows(2) {
                assert_eq!(pair[0].0 % 16, 0);
                assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{index:?} {voxels:?}");
            }
        }
    }
}
