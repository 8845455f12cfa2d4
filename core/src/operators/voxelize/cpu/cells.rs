//! The voxel of each point.

#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use crate::{cpu::InstructionSet, operators::voxelize::VoxelizeShape};

/// A grid, ready to tell voxels of points.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cells {
    pub(super) origin: [f32; 3],
    pub(super) size: f32,
    /// `X, Y, Z`
    pub(super) extents: [u32; 3],
    /// `X * Y * Z`, and the cell that dropped points are given: one more than the last voxel of the grid.
    pub(super) volume: usize,
    instructions: InstructionSet,
}

/// The voxel of each point of `points[n,3]`, in row-major order of the grid of `shape`, and the volume of the grid for
/// each that is dropped. The number of points that `shape` says does not matter.
///
/// # Panics
/// If there are more than `i32::MAX` points, if an extent of the grid is zero or more than `i32::MAX`, or if the volume
/// overflows.
pub fn locate(shape: &VoxelizeShape, points: &[f32]) -> Vec<u64> {
    let shape = VoxelizeShape { points: points.len() / 3, ..*shape };
    let mut cells = vec![0; shape.points];
    Cells::new(&shape, points, InstructionSet::best()).locate(points, &mut cells);
    cells
}

impl Cells {
    /// The grid of `shape` for `points[N,3]`.
    ///
    /// # Panics
    /// If there are not the points that `shape` says or more than `i32::MAX`, if an extent is zero or more than
    /// `i32::MAX`, or if the volume overflows.
    pub(super) fn new(shape: &VoxelizeShape, points: &[f32], instructions: InstructionSet) -> Self {
        assert!(shape.points <= i32::MAX as usize, "{} points are more than i32::MAX", shape.points);
        assert_eq!(points.len(), 3 * shape.points, "elements of points[{},3]", shape.points);
        let extents = shape.grid.map(|extent| match u32::try_from(extent) {
            Ok(extent @ 1..=0x7FFF_FFFF) => extent,
            Ok(_) | Err(_) => panic!("grid {:?}: each extent must be between 1 and i32::MAX", shape.grid),
        });
        let volume = shape.grid.iter().try_fold(1_usize, |volume, &extent| volume.checked_mul(extent));
        let volume = volume.unwrap_or_else(|| panic!("the volume of grid {:?} overflows", shape.grid));
        let instructions = instructions.min(InstructionSet::best());
        Self { origin: shape.origin, size: shape.voxel_size, extents, volume, instructions }
    }

    /// Writes the voxel of each point of `points[n,3]` to `cells[n]`, or [`Cells::volume`] for a dropped point.
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub(super) fn locate(&self, points: &[f32], cells: &mut [u64]) {
        assert_eq!(points.len(), 3 * cells.len());
        let done = match self.instructions {
            // Vectors hold cells in 32 bits.
            _ if self.volume > u32::MAX as usize => 0,
            InstructionSet::Baseline => 0,
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `new` chose no instruction set that this CPU lacks.
            InstructionSet::Avx2 => unsafe { avx2::locate(self, points, cells) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            InstructionSet::Avx512 => unsafe { avx512::locate(self, points, cells) },
            #[cfg(not(target_arch = "x86_64"))]
            InstructionSet::Avx2 | InstructionSet::Avx512 => 0,
        };
        for (point, cell) in points[3 * done..].chunks_exact(3).zip(&mut cells[done..]) {
            *cell = self.locate_one([point[0], point[1], point[2]]) as u64;
        }
    }

    /// The voxel of one point: the definition.
    fn locate_one(&self, point: [f32; 3]) -> usize {
        let mut cell = 0;
        for ((number, origin), extent) in point.into_iter().zip(self.origin).zip(self.extents) {
            let position = (number - origin) / self.size;
            // The floor of what is not negative is its integer part. A cast to i64 is exact up to 2^63 and saturates
            // beyond; NaN fails the comparison.
            let coordinate = position as i64;
            if !(position >= 0.0 && coordinate < i64::from(extent)) {
                return self.volume;
            }
            cell = cell * extent as usize + coordinate as usize;
        }
        cell
    }
}
