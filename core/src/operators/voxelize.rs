//! `voxelize`: points and their features gathered into a dense grid.

mod shape;

pub use shape::{VoxelMode, VoxelizeShape};
