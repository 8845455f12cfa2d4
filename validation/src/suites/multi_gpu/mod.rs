//! The multi_gpu suite: several ranks, each on a device of its own, do things together.

mod settings;

pub(crate) use settings::{BLOCK_LIMIT, MULTI_GPU, ROOT, WORLD_LIMIT};
pub use settings::{Joint, MultiGpuSettings, Partition, Task};

use crate::{cell::Cell, observation::MultiGpuFacts};

pub(super) fn observe(cell: &Cell, _: &MultiGpuSettings) -> Result<MultiGpuFacts, String> {
    Err(format!("{cell} has no ranks"))
}
