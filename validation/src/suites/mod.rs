//! The suites: on a worker's side, each turns a cell into an observation.

mod settings;

pub use settings::{AccuracySettings, DeterminismSettings, SuiteSettings};
