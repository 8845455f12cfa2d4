//! `voxelize` on the CPU.
//!
//! `cells` finds the voxel of each point with vector instructions. `occupancy` marks voxels in one bitmap for each
//! thread, which fits a cache where the output does not. The other modes first sort the points by voxel (`partition`,
//! `tile`) and then write the output once: `count`, and through `features` `mean` and `max`. The mean is summed in f64
//! where that is exact, and in a `superaccumulator` where it is not.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod cells;
mod count;
mod features;
mod max;
mod mean;
mod occupancy;
mod partition;
mod superaccumulator;
#[cfg(test)]
mod tests;
mod tile;

pub use cells::locate;
pub use count::count;
pub use max::max;
pub use mean::mean;
pub use occupancy::occupancy;
