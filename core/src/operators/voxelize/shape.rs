//! Extents of a voxelize problem.

/// What is computed for each voxel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VoxelMode {
    /// The number of points: i32.
    Count,
    /// 1 where there is a point, else 0: i32.
    Occupancy,
    /// The correctly rounded mean of each feature: f32.
    Mean,
    /// The IEEE 754-2019 `maximum` of each feature: f32.
    Max,
}

impl VoxelMode {
    /// Whether features are an input.
    pub const fn takes_features(self) -> bool {
        match self {
            Self::Count | Self::Occupancy => false,
            Self::Mean | Self::Max => true,
        }
    }
}

/// `points[N,3] (f32), features[N,F] -> voxels[X,Y,Z] (i32) or [X,Y,Z,F] (f32), dropped[1] (i64)`.
///
/// Cell = `floor((p - origin) / size)` with IEEE f32 subtraction and division; a point is kept when
/// `0 <= cell < grid` on all axes; `dropped` counts the others. `count` and `occupancy` take no features.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VoxelizeShape {
    /// `N`: points; may be 0, at most `i32::MAX`.
    pub points: usize,
    /// `F`: features of each point; at least 1 where the mode takes features, else 0.
    pub features: usize,
    /// `X, Y, Z`: extents of the grid, each between 1 and `i32::MAX`; x is slowest.
    pub grid: [usize; 3],
    /// What is computed.
    pub mode: VoxelMode,
    /// The corner of voxel `[0, 0, 0]`, in the unit of the points; finite.
    pub origin: [f32; 3],
    /// The edge of a voxel, in the unit of the points; positive and finite.
    pub voxel_size: f32,
}
