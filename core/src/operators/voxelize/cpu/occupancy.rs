//! Mode `occupancy`.

use super::cells::Cells;
use crate::{
    cpu::{
        CpuOptions, pool,
        sequential::{STREAM_FROM_BYTES, Sequential},
    },
    operators::voxelize::VoxelizeShape,
};

/// Points of one task.
const TASK_POINTS: usize = 8192;

/// Points located at a time: their cells stay in L1.
const BLOCK_POINTS: usize = 512;

/// Voxels of one bitmap word.
const WORD: usize = u64::BITS as usize;

/// Voxels of one task when the output is written.
const TASK_VOXELS: usize = 256 * WORD;

/// Bitmaps, one for each thread that marks voxels, are together kept smaller than the output, of which each is 1/32.
const MOST_BITMAPS: usize = 16;

/// The voxels that one thread has seen points in.
struct Bitmap {
    words: Vec<u64>,
    dropped: u64,
}

/// Writes to `voxels[X,Y,Z]` 1 where there is a point of `points[N,3]`, else 0; gives the number of points dropped.
///
/// # Panics
/// If a length is not what `shape` says, if an extent of the grid is zero or more than `i32::MAX`, or if the volume
/// overflows.
pub fn occupancy(shape: &VoxelizeShape, points: &[f32], voxels: &mut [i32], options: CpuOptions) -> u64 {
    let cells = Cells::new(shape, options.instructions);
    assert_eq!(points.len(), 3 * shape.points, "elements of points[{},3]", shape.points);
    assert_eq!(voxels.len(), cells.volume, "elements of voxels{:?}", shape.grid);
    let bitmaps = pool::for_each(
        options.threads.min(MOST_BITMAPS),
        points.chunks(3 * TASK_POINTS),
        // One bit more than voxels: the cell of dropped points.
        || Bitmap { words: vec![0; cells.volume / WORD + 1], dropped: 0 },
        |bitmap, points| bitmap.mark(&cells, points),
    );
    let stream = size_of_val(voxels) >= STREAM_FROM_BYTES;
    let tasks = voxels.chunks_mut(TASK_VOXELS).enumerate();
    pool::for_each(
        options.threads,
        tasks,
        || (),
        |(), (task, voxels)| {
            let first = task * (TASK_VOXELS / WORD);
            let mut left = voxels.len();
            let mut output = Sequential::new(voxels, stream);
            for word in first..first + left.div_ceil(WORD) {
                let merged = bitmaps.iter().fold(0, |merged, bitmap| merged | bitmap.words[word]);
                let bits: [i32; WORD] = std::array::from_fn(|bit| (merged >> bit & 1) as i32);
                let count = left.min(WORD);
                output.write(&bits[..count]);
                left -= count;
            }
            output.finish();
        },
    );
    bitmaps.iter().map(|bitmap| bitmap.dropped).sum()
}

impl Bitmap {
    fn mark(&mut self, grid: &Cells, points: &[f32]) {
        let mut cells = [0; BLOCK_POINTS];
        for points in points.chunks(3 * BLOCK_POINTS) {
            let cells = &mut cells[..points.len() / 3];
            grid.locate(points, cells);
            for &mut cell in cells {
                let cell = cell as usize;
                self.words[cell / WORD] |= 1 << (cell % WORD);
                self.dropped += u64::from(cell == grid.volume);
            }
        }
    }
}
