//! Mode `occupancy`.

use super::cells::Cells;
use crate::{
    cpu::{
        CpuOptions, InstructionSet, pool,
        sequential::{Sequential, past_caches},
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
/// If a length is not what `shape` says, if there are more than `i32::MAX` points, if an extent of the grid is zero or
/// more than `i32::MAX`, or if the volume overflows.
pub fn occupancy(shape: &VoxelizeShape, points: &[f32], voxels: &mut [i32], options: CpuOptions) -> u64 {
    let cells = Cells::new(shape, points, options.instructions);
    assert_eq!(voxels.len(), cells.volume, "elements of voxels{:?}", shape.grid);
    let bitmaps = pool::for_each(
        options.threads.min(MOST_BITMAPS),
        points.chunks(3 * TASK_POINTS),
        // One bit more than voxels: the cell of dropped points.
        || Bitmap { words: vec![0; cells.volume / WORD + 1], dropped: 0 },
        |bitmap, points| bitmap.mark(&cells, points),
    );
    write(&bitmaps, voxels, options);
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

/// Writes 1 for each voxel that any of the bitmaps has marked, else 0.
fn write(bitmaps: &[Bitmap], voxels: &mut [i32], options: CpuOptions) {
    let past_caches = past_caches(size_of_val(voxels), options.instructions);
    let tasks = voxels.chunks_mut(TASK_VOXELS).enumerate();
    pool::for_each(
        options.threads,
        tasks,
        || (),
        |(), (task, voxels)| {
            let first = task * (TASK_VOXELS / WORD);
            let words = first..first + voxels.len().div_ceil(WORD);
            let words = words.map(|word| bitmaps.iter().fold(0, |merged, bitmap| merged | bitmap.words[word]));
            let left = voxels.len();
            let output = Sequential::new(voxels, past_caches);
            match options.instructions.min(InstructionSet::best()) {
                InstructionSet::Baseline => expand(words, left, output),
                // AVX-512 has nothing to add: a word is eight shifts of eight lanes.
                #[cfg(target_arch = "x86_64")]
                // SAFETY: the CPU has AVX2: it is at most its best.
                InstructionSet::Avx2 | InstructionSet::Avx512 => unsafe { expand_avx2(words, left, output) },
                #[cfg(not(target_arch = "x86_64"))]
                InstructionSet::Avx2 | InstructionSet::Avx512 => expand(words, left, output),
            }
        },
    );
}

/// Writes the first `left` bits of `words`, least significant first, as one number each.
#[inline(always)]
fn expand(words: impl Iterator<Item = u64>, mut left: usize, mut output: Sequential<'_, i32>) {
    for mut word in words {
        let mut bits = left.min(WORD);
        left -= bits;
        while bits > 0 {
            let voxels = output.next(bits);
            if let Ok(voxels) = <&mut [i32; WORD]>::try_from(&mut *voxels) {
                // In halves, because vectors shift 32 bits.
                for (half, voxels) in [word as u32, (word >> 32) as u32].into_iter().zip(voxels.chunks_exact_mut(32)) {
                    for (bit, voxel) in voxels.iter_mut().enumerate() {
                        *voxel = (half >> bit & 1) as i32;
                    }
                }
            } else {
                for voxel in &mut *voxels {
                    *voxel = (word & 1) as i32;
                    word >>= 1;
                }
            }
            bits -= voxels.len();
        }
    }
    output.finish();
}

/// [`expand`], compiled for AVX2, which shifts each lane by its own number of bits.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn expand_avx2(words: impl Iterator<Item = u64>, left: usize, output: Sequential<'_, i32>) {
    expand(words, left, output);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_any_thread_has_marked_is_occupied() {
        let bitmaps = [[1, 0, 4], [2, 1 << 63, 0]].map(|words| Bitmap { words: words.to_vec(), dropped: 0 });
        for instructions in InstructionSet::available() {
            let mut voxels = [-1; 131];
            write(&bitmaps, &mut voxels, CpuOptions { threads: 2, instructions });
            let occupied: Vec<usize> = (0..131).filter(|&voxel| voxels[voxel] == 1).collect();
            assert_eq!(occupied, [0, 1, 127, 130]);
            assert_eq!(voxels.iter().filter(|&&voxel| voxel == 0).count(), 127);
        }
    }
}
