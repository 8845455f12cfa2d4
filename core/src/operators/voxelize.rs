//! `voxelize`: points and their features gathered into a dense grid.

mod cuda;
mod shape;

pub use cuda::CudaVoxelize;
pub use shape::{VoxelMode, VoxelizeShape};
