//! Recorded inputs: point clouds and trajectories.

mod spec;

pub use spec::{DatasetFormat, DatasetSpec, Expectation};
