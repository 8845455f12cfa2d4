//! The suites: on a worker's side, each turns a cell into an observation.
//!
//! [`execute`] is the door. It makes the cell's problem and inputs (`prepare`), puts them on the device, and hands
//! them to the suite. None judges what it sees, and none but launch_count, which counts what only a GPU does, depends on
//! the device.

mod accuracy;
mod backward_compat;
mod determinism;
mod device;
mod execute;
mod launch_count;
mod measurement;
mod multi_gpu;
mod performance;
mod prepare;
mod random_problem;
mod settings;
mod witness;

pub(crate) use backward_compat::{BACKWARD_COMPAT, golden_outputs};
pub(crate) use device::{own_gpu_uuid, stopwatch, use_gpu, use_kernels};
pub use execute::{digest, execute, exhibit};
pub(crate) use multi_gpu::{BLOCK_LIMIT, MULTI_GPU, ROOT, RankWork, WORLD_LIMIT, are_ranks_lost, dismiss_ranks};
pub use multi_gpu::{Joint, MultiGpuSettings, Task};
pub(crate) use prepare::{Prepared, Unprepared, Wanted, prepare_wanted};
pub use settings::{
    AccuracySettings, Approval, BackwardCompatSettings, DeterminismSettings, InvalidSetting, LaunchCountSettings,
    PerformanceSettings, SuiteSettings, Threshold,
};
