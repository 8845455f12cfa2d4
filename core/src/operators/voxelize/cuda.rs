//! `voxelize` on a GPU: two launches for `count` and `occupancy`, one for `mean` and `max`.

use robocache_kernels::limits;

use super::{VoxelMode, VoxelizeProblem, VoxelizeShape};
use crate::cuda::{Call, CudaError, CudaProblem, KernelArgument, Launch, Start};

/// Threads of a block.
const THREADS: u32 = 256;

/// Points that each thread marks in `count` and `occupancy`: several, so that one waits while another is computed.
const POINTS_PER_THREAD: u64 = 2;

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

/// `PointIndex` of `point_index.cuh`: addresses within the workspace, all aligned to 16 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
struct IndexArgument {
    cursors: u64,
    table: u64,
    owners: u64,
    next: u64,
    ranks: u64,
    counts: u64,
    heads: u64,
    firsts: u64,
    starts: u64,
    order: u64,
    heavy_slots: u64,
    first_pieces: u64,
    pieces: u64,
    heavy_voxels: u64,
    accumulators: u64,
}

// SAFETY: fifteen words, as the C++ type.
unsafe impl KernelArgument for IndexArgument {}

impl IndexArgument {
    /// Cuts a workspace at `base` into its parts, and tells its size in bytes.
    fn lay_out(base: u64, shape: &VoxelizeShape) -> (Self, u64) {
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
        let index = Self {
            cursors: part(16),
            table: part(4 * voxel_count(shape)),
            owners: part(points),
            next: part(4 * points),
            ranks: part(4 * points),
            counts: part(4 * points),
            heads: part(4 * points),
            firsts: part(4 * points),
            starts: part(4 * points),
            order: part(4 * points),
            heavy_slots: part(4 * heavy),
            first_pieces: part(4 * heavy),
            pieces: part(4 * pieces),
            heavy_voxels: part(8 * heavy),
            accumulators: part(8 * heavy * accumulator_words(shape)),
        };
        (index, end - base)
    }
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
        if self.shape.mode.takes_features() { IndexArgument::lay_out(0, &self.shape).1 as usize } else { 0 }
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
        let threads = call.geometry.threads.unwrap_or(THREADS);
        let launch = |items: u64, items_per_thread: u64| {
            // Eight times what a multiprocessor can hold at once: enough to even out unequal blocks.
            let limit = 64 * call.kernels.context().properties().multiprocessors;
            let blocks = call.geometry.blocks(items, u64::from(threads) * items_per_thread, limit);
            Launch { blocks, threads, shared_bytes: 0, start: Start::Early }
        };
        // SAFETY: the arguments are those of the kernels, which wait for the previous one, and the tensors have the shapes
        // that they say. `kernel` reads its inputs before it waits: they are finished, because `voxelize_clear` lets it
        // start only after its own wait.
        unsafe {
            let clear = launch(voxel_count(&self.shape), 4);
            call.stream.launch(call.kernels.kernel("voxelize_clear")?, clear, &[&grid, &voxels, &dropped])?;
            let mark = launch(cloud.point_count, POINTS_PER_THREAD);
            call.stream.launch(call.kernels.kernel(kernel)?, mark, &[&cloud, &grid, &voxels, &dropped])
        }
    }

    /// `mean` and `max`: index the points, then reduce each voxel's.
    fn enqueue_reduction(&self, call: &Call<'_>, mode: &str) -> Result<(), CudaError> {
        let (grid, cloud) = (self.grid(), self.cloud(call));
        let features = call.inputs[1].address();
        let (voxels, dropped) = (call.outputs[0].address(), call.outputs[1].address());
        let width = self.shape.features as u64;
        let (index, bytes) = IndexArgument::lay_out(call.workspace.address(), &self.shape);
        assert!(bytes <= call.workspace.bytes() as u64, "the workspace is smaller than `workspace_bytes` says");
        let kernel = call.kernels.kernel(&format!("voxelize_{mode}_{}", self.dtype))?;
        let threads = call.geometry.threads.unwrap_or(THREADS);
        // All blocks wait for one another.
        let resident = call.kernels.resident_blocks(kernel, threads)?;
        let items = voxel_count(&self.shape).max(cloud.point_count);
        let blocks = call.geometry.blocks(items, threads.into(), resident).min(resident);
        let launch = Launch { blocks, threads, shared_bytes: 0, start: Start::Together };
        // SAFETY: the arguments are those of the kernel, the tensors have the shapes that they say, and the index lies
        // within the workspace, which the call borrows exclusively.
        unsafe { call.stream.launch(kernel, launch, &[&cloud, &grid, &index, &features, &width, &voxels, &dropped]) }
    }
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
        assert_eq!(size_of::<IndexArgument>(), 120);
    }

    #[test]
    fn parts_of_the_workspace_are_aligned_and_apart() {
        for points in [1, 64, 65, 10_000] {
            let shape = VoxelizeShape { features: 3, ..shape(VoxelMode::Mean, points) };
            let (index, bytes) = IndexArgument::lay_out(256, &shape);
            let points = points as u64;
            let heavy = points / 65;
            let ends = [
                (index.cursors, 16),
                (index.table, 4 * 6),
                (index.owners, points),
                (index.next, 4 * points),
                (index.ranks, 4 * points),
                (index.counts, 4 * points),
                (index.heads, 4 * points),
                (index.firsts, 4 * points),
                (index.starts, 4 * points),
                (index.order, 4 * points),
                (index.heavy_slots, 4 * heavy),
                (index.first_pieces, 4 * heavy),
                (index.pieces, 4 * (points / 1024 + heavy)),
                (index.heavy_voxels, 8 * heavy),
                (index.accumulators, 8 * heavy * 3 * 12),
                (256 + bytes, 0),
            ];
            for pair in ends.windows(2) {
                assert_eq!(pair[0].0 % 16, 0);
                assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{index:?}");
            }
        }
    }
}
