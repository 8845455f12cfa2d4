//! The multi_gpu suite: several ranks, each on a device of its own, do things together.
//!
//! The worker is the leader (`leader`, `fault`). It keeps ranks, which are processes of their own, and tells each what to do
//! (`work`); what that is, whatever the communicator, is in `collective`, `sharded`,
//! `training` and `script`. The data of collectives are patterns of which every
//! result is known beforehand, and `layout` puts them where a byte that is written beside them shows.

mod collective;
mod fault;
mod layout;
mod leader;
mod script;
mod settings;
mod sharded;
mod training;
mod work;

pub(super) use leader::observe;
pub(crate) use leader::{are_ranks_lost, dismiss_ranks};
pub(crate) use settings::{BLOCK_LIMIT, MULTI_GPU, ROOT, WORLD_LIMIT};
pub use settings::{Joint, MultiGpuSettings, Task};
pub(crate) use work::RankWork;
