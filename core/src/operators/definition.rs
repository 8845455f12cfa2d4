//! A problem of this crate as data, for whoever implements it without knowing this crate.

use super::{fuse::FuseShape, resample::ResampleShape, voxelize::VoxelizeShape};
use crate::dtype::DType;

/// Which operator a problem is of, and everything that decides it but the data. Inputs and outputs are those of the
/// problem, in its order.
#[derive(Clone, Copy, Debug)]
pub enum Definition<'a> {
    /// `resample`, with the dtype of `x` and `y`.
    Resample(&'a ResampleShape, DType),
    /// `fuse`, with the dtype of all `x_i` and of `y`.
    Fuse(&'a FuseShape, DType),
    /// `voxelize`, with the dtype of the features.
    Voxelize(&'a VoxelizeShape, DType),
}
