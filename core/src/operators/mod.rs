//! RoboCache's operators.

pub mod fuse;
mod interpolate;
pub mod resample;
pub mod times;
pub mod voxelize;
