//! `voxelize` on a GPU: two launches for `count` and `occupancy`, six for `mean` and `max`.

use robocache_kernels::limits;

use super::{VoxelMode, VoxelizeProblem, VoxelizeShape};
use crate::cuda::{Call, CudaError, CudaProblem, KernelArgument};

/// `Grid` of `voxelize.cu`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct GridArgument {
    origin: [f32; 3],
    voxel_size: f32,
    extent: [i64; 3],
}

// SAFETY: four floats and three words without padding, as the C++ type.
unsafe impl KernelArgument for GridArgument {}

/// `Segments` of `voxelize.cu`: addresses within the workspace, all aligned to 16 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
struct SegmentsArgument {
    cursors: u64,
    counts: u64,
    starts: u64,
    voxels: u64,
    ranks: u64,
    order: u64,
    heavy_voxels: u64,
    heavy_pieces: u64,
    accumulators: u64,
}

// SAFETY: nine words, as the C++ type.
unsafe impl KernelArgument for SegmentsArgument {}

impl SegmentsArgument {
    /// Cuts a workspace at `base` into its parts, and tells its size in bytes.
    fn lay_out(base: u64, shape: &VoxelizeShape) -> (Self, u64) {
        let points = shape.points as u64;
        let voxels = voxel_count(shape);
        // Each heavy voxel has at least one point more than a light one may have.
        let heavy = points / (limits::LIGHT_POINTS + 1);
        let mut end = base;
        let mut part = |bytes: u64| {
            let start = end;
            end += bytes.next_multiple_of(16);
            start
        };
        let segments = Self {
            cursors: part(16),
            counts: part(4 * voxels),
            starts: part(4 * voxels),
            voxels: part(8 * points),
            ranks: part(4 * points),
            order: part(4 * points),
            heavy_voxels: part(8 * heavy),
            heavy_pieces: part(4 * heavy),
            accumulators: part(8 * heavy * accumulator_words(shape)),
        };
        (segments, end - base)
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
        if self.shape.mode.takes_features() { SegmentsArgument::lay_out(0, &self.shape).1 as usize } else { 0 }
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
        GridArgument { origin, voxel_size, extent: grid.map(|extent| extent as i64) }
    }

    /// `count` and `occupancy`: clear, then mark.
    fn enqueue_marks(&self, call: &Call<'_>, kernel: &str) -> Result<(), CudaError> {
        let launcher = Launcher(call);
        let (points, voxels, dropped) =
            (call.inputs[0].address(), call.outputs[0].address(), call.outputs[1].address());
        let (point_count, voxel_count) = (self.shape.points as u64, voxel_count(&self.shape));
        let no_cursors = 0_u64;
        // SAFETY: the arguments are those of the kernels, and the tensors have the shapes that they say.
        unsafe {
            launcher.launch("voxelize_clear", voxel_count / 4, &[&voxels, &voxel_count, &dropped, &no_cursors])?;
            launcher.launch(kernel, point_count, &[&points, &point_count, &self.grid(), &voxels, &dropped])
        }
    }

    /// `mean` and `max`: sort the points into segments, then reduce each.
    fn enqueue_reduction(&self, call: &Call<'_>, mode: &str) -> Result<(), CudaError> {
        let launcher = Launcher(call);
        let (points, features) = (call.inputs[0].address(), call.inputs[1].address());
        let (voxels, dropped) = (call.outputs[0].address(), call.outputs[1].address());
        let (point_count, voxel_count) = (self.shape.points as u64, voxel_count(&self.shape));
        let width = self.shape.features as u64;
        let words = accumulator_words(&self.shape);
        let (segments, bytes) = SegmentsArgument::lay_out(call.workspace.address(), &self.shape);
        assert!(bytes <= call.workspace.bytes() as u64, "the workspace is smaller than `workspace_bytes` says");
        let reduce = format!("voxelize_{mode}_{}", self.dtype);
        let finish = format!("voxelize_{mode}_finish");
        // SAFETY: the arguments are those of the kernels, the tensors have the shapes that they say, and the segments
        // lie within the workspace, which the call borrows exclusively.
        unsafe {
            launcher.launch(
                "voxelize_clear",
                voxel_count / 4,
                &[&segments.counts, &voxel_count, &dropped, &segments.cursors],
            )?;
            launcher.launch(
                "voxelize_index",
                point_count,
                &[&points, &point_count, &self.grid(), &segments, &dropped],
            )?;
            launcher.launch("voxelize_allocate", point_count, &[&point_count, &segments])?;
            launcher.launch("voxelize_scatter", point_count, &[&point_count, &words, &segments])?;
            launcher.launch(
                &reduce,
                voxel_count * width.div_ceil(4),
                &[&features, &voxel_count, &width, &segments, &voxels],
            )?;
            launcher.launch(&finish, point_count / limits::LIGHT_POINTS * width, &[&width, &segments, &voxels])
        }
    }
}

/// Launches kernels whose threads stride over their items.
struct Launcher<'a, 'call>(&'a Call<'call>);

impl Launcher<'_, '_> {
    /// Enqueues a kernel for about `items` items.
    ///
    /// # Safety
    /// As for [`crate::cuda::Stream::launch`].
    unsafe fn launch(&self, name: &str, items: u64, arguments: &[&dyn KernelArgument]) -> Result<(), CudaError> {
        let Call { stream, kernels, geometry, .. } = self.0;
        // Four times what a multiprocessor can hold at once: enough to even out unequal blocks.
        let limit = 32 * kernels.context().properties().multiprocessors;
        let blocks = geometry.blocks(items, geometry.threads.into(), limit);
        // SAFETY: passed on to the caller.
        unsafe { stream.launch(kernels.kernel(name)?, blocks, geometry.threads, arguments) }
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
        assert_eq!(size_of::<GridArgument>(), 40);
        assert_eq!(size_of::<SegmentsArgument>(), 72);
    }

    #[test]
    fn parts_of_the_workspace_are_aligned_and_apart() {
        for points in [1, 128, 129, 10_000] {
            let shape = VoxelizeShape { features: 3, ..shape(VoxelMode::Mean, points) };
            let (segments, bytes) = SegmentsArgument::lay_out(256, &shape);
            let SegmentsArgument { cursors, counts, starts, voxels, ranks, order, .. } = segments;
            let SegmentsArgument { heavy_voxels, heavy_pieces, accumulators, .. } = segments;
            let points = points as u64;
            let heavy = points / 129;
            let ends = [
                (cursors, 16),
                (counts, 4 * 6),
                (starts, 4 * 6),
                (voxels, 8 * points),
                (ranks, 4 * points),
                (order, 4 * points),
                (heavy_voxels, 8 * heavy),
                (heavy_pieces, 4 * heavy),
                (accumulators, 8 * heavy * 3 * 12),
                (256 + bytes, 0),
            ];
            for pair in ends.windows(2) {
                assert_eq!(pair[0].0 % 16, 0);
                assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{segments:?}");
            }
        }
    }
}
