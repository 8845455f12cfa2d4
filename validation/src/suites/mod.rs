//! The suites: on a worker's side, each turns a cell into an observation.
//!
//! [`execute`] is the door. It makes the cell's problem and inputs (`prepare`), puts them on the device, and hands
//! them to the suite. No suite knows what device it runs on, and none judges what it sees.

mod accuracy;
mod determinism;
mod device;
mod execute;
mod measurement;
mod performance;
mod prepare;
mod random_problem;
mod settings;

pub(crate) use device::{own_gpu_uuid, stopwatch};
pub use execute::{digest, execute};
pub(crate) use prepare::{Prepared, Unprepared, Wanted, prepare_wanted};
pub use settings::{
    AccuracySettings, DeterminismSettings, InvalidSetting, PerformanceSettings, SuiteSettings, Threshold,
};
