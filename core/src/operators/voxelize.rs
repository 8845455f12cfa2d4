//! `voxelize`: points and their features gathered into a dense grid.

pub mod cpu;
mod shape;

pub use shape::{VoxelMode, VoxelizeShape};
