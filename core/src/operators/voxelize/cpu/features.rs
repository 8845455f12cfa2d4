//! Modes that reduce the features of each voxel's points: what `mean` and `max` have in common.

use half::{bf16, f16, slice::HalfFloatSliceExt};

use super::{cells::Cells, partition::Partition, tile::Tile};
use crate::{
    cpu::{
        CpuOptions, InstructionSet, pool,
        prefetch::prefetch,
        sequential::{Sequential, past_caches},
    },
    dtype::{DType, Float},
    operators::voxelize::VoxelizeShape,
};

/// Most output of one tile: the rows of its points, of which there are fewer than voxels in most clouds, then fit a
/// core's L2.
const TILE_BYTES: usize = 1 << 20;

/// Most cells of one tile: its table is then a small part of L2.
const TILE_CELLS: usize = 16 << 10;

/// Rows of a tile that are fetched into the cache while its points are sorted, in bytes: they must still be there when
/// they are needed. A tile with more has several points in each voxel, whose rows the CPU fetches side by side anyway.
const FETCHED_BYTES: usize = 512 << 10;

/// How much of a row is fetched; from there on the hardware sees the pattern.
const FETCHED_BYTES_OF_ROW: usize = 256;

/// What is made of the features of one voxel.
pub(super) trait Reduction: Send {
    /// Writes the result of the rows of `points`, of which there is at least one.
    fn reduce<E: Float>(&mut self, rows: Rows<'_, E>, points: &[u32], result: &mut [f32]);
}

/// `features[N,F]`
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, E> {
    features: &'a [E],
    channels: usize,
}

impl<'a, E: Float> Rows<'a, E> {
    /// The features of a point.
    #[inline(always)]
    pub(super) fn row(self, point: u32) -> &'a [E] {
        &self.features[point as usize * self.channels..][..self.channels]
    }

    /// Asks for the features of a point, which will be needed soon.
    #[inline(always)]
    fn fetch(self, point: u32) {
        let row = self.row(point);
        prefetch(&row[..row.len().min(FETCHED_BYTES_OF_ROW / size_of::<E>())]);
    }

    /// The features of a point in f32. `scratch` is where they are widened to if they are not f32.
    #[inline(always)]
    pub(super) fn widened<'b>(self, point: u32, scratch: &'b mut [f32]) -> &'b [f32]
    where
        'a: 'b,
    {
        let row = self.row(point);
        match E::DTYPE {
            DType::F32 => return bytemuck::cast_slice(row),
            DType::F16 => bytemuck::cast_slice::<E, f16>(row).convert_to_f32_slice(scratch),
            DType::Bf16 => {
                for (wide, element) in scratch.iter_mut().zip(bytemuck::cast_slice::<E, bf16>(row)) {
                    *wide = f32::from_bits(u32::from(element.to_bits()) << 16);
                }
            }
            DType::I32 | DType::I64 => unreachable!("`Float` is not implemented for integers"),
        }
        scratch
    }
}

/// What a thread keeps from tile to tile.
struct Worker<R> {
    tile: Tile,
    reduction: R,
    result: Vec<f32>,
}

/// Reduces `features[N,F]` of the points of each voxel into `voxels[X,Y,Z,F]`; empty voxels are zero. Gives the number
/// of points dropped.
///
/// # Panics
/// If a length is not what `shape` says, if there are no features or more than `i32::MAX` points, if an extent of the
/// grid is zero or more than `i32::MAX`, or if a volume overflows.
pub(super) fn reduce<E: Float, R: Reduction>(
    shape: &VoxelizeShape,
    points: &[f32],
    features: &[E],
    voxels: &mut [f32],
    options: CpuOptions,
    reduction: impl Fn() -> R + Sync,
) -> u64 {
    let grid = Cells::new(shape, points, options.instructions);
    let channels = shape.features;
    assert!(channels > 0, "a voxel has at least one feature");
    let elements = shape.points.checked_mul(channels);
    assert_eq!(Some(features.len()), elements, "elements of features[{},{channels}]", shape.points);
    let elements = grid.volume.checked_mul(channels);
    assert_eq!(Some(voxels.len()), elements, "elements of voxels{:?} of {channels} features", shape.grid);

    // A tile of very wide voxels still has enough of them to be worth a table.
    let tile_cells = (TILE_BYTES / size_of::<f32>() / channels).clamp(TILE_CELLS / 16, TILE_CELLS);
    let partition = Partition::new(&grid, points, tile_cells, options);
    let rows = Rows { features, channels };
    // Points lie anywhere in memory: without this, each row would be waited for in turn.
    let most_fetched = FETCHED_BYTES / (channels * size_of::<E>()).next_multiple_of(64);
    let past_caches = past_caches(size_of_val(voxels), options.instructions);
    let tiles = voxels.chunks_mut(partition.tile_cells() * channels).enumerate();
    let worker = || Worker { tile: Tile::default(), reduction: reduction(), result: vec![0.0; channels] };
    pool::for_each(options.threads, tiles, worker, |worker, (tile, voxels)| {
        let cells = voxels.len() / channels;
        worker.tile.sort(&partition, tile, cells, most_fetched, |point| rows.fetch(point));
        let output = Sequential::new(voxels, past_caches);
        match options.instructions.min(InstructionSet::best()) {
            InstructionSet::Baseline => worker.write(rows, cells, output),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the CPU has the instructions: they are at most its best.
            InstructionSet::Avx2 => unsafe { worker.write_avx2(rows, cells, output) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            InstructionSet::Avx512 => unsafe { worker.write_avx512(rows, cells, output) },
            #[cfg(not(target_arch = "x86_64"))]
            InstructionSet::Avx2 | InstructionSet::Avx512 => worker.write(rows, cells, output),
        }
    });
    partition.dropped
}

impl<R: Reduction> Worker<R> {
    /// Writes the `cells` voxels of the sorted tile. It is inlined into each instruction set's version, so that the
    /// compiler uses those instructions.
    #[inline(always)]
    fn write<E: Float>(&mut self, rows: Rows<'_, E>, cells: usize, mut output: Sequential<'_, f32>) {
        let mut written = 0;
        for (cell, points) in self.tile.occupied() {
            output.zeros((cell - written) * rows.channels);
            written = cell + 1;
            let out = output.next(rows.channels);
            if out.len() == rows.channels {
                self.reduction.reduce(rows, points, out);
            } else {
                // The row does not fit the rest of the buffer.
                self.reduction.reduce(rows, points, &mut self.result);
                let (front, rest) = self.result.split_at(out.len());
                out.copy_from_slice(front);
                output.write(rest);
            }
        }
        output.zeros((cells - written) * rows.channels);
        output.finish();
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,f16c")]
    fn write_avx2<E: Float>(&mut self, rows: Rows<'_, E>, cells: usize, output: Sequential<'_, f32>) {
        self.write(rows, cells, output);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,f16c")]
    fn write_avx512<E: Float>(&mut self, rows: Rows<'_, E>, cells: usize, output: Sequential<'_, f32>) {
        self.write(rows, cells, output);
    }
}
