//! Mode `count`.

use super::{cells::Cells, partition::Partition};
use crate::{
    cpu::{CpuOptions, pool},
    operators::voxelize::VoxelizeShape,
};

/// Cells of a tile: their counts fill a quarter of a core's L2.
const TILE_CELLS: usize = 64 << 10;

/// Writes to `voxels[X,Y,Z]` how many points of `points[N,3]` lie there; gives the number of points dropped.
///
/// # Panics
/// If a length is not what `shape` says, if there are more than `i32::MAX` points, if an extent of the grid is zero or
/// more than `i32::MAX`, or if the volume overflows.
pub fn count(shape: &VoxelizeShape, points: &[f32], voxels: &mut [i32], options: CpuOptions) -> u64 {
    let grid = Cells::new(shape, points, options.instructions);
    assert_eq!(voxels.len(), grid.volume, "elements of voxels{:?}", shape.grid);
    let partition = Partition::new(&grid, points, TILE_CELLS, options);
    let tiles = voxels.chunks_mut(partition.tile_cells()).enumerate();
    pool::for_each(
        options.threads,
        tiles,
        || (),
        |(), (tile, voxels)| {
            voxels.fill(0);
            for entry in partition.tile(tile).flatten() {
                voxels[entry.cell as usize] += 1;
            }
        },
    );
    partition.dropped
}
