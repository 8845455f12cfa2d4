//! RoboCache's operators.

pub mod fuse;
pub mod resample;
pub mod times;
pub mod voxelize;
