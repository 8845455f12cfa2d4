//! What the test programs and benchmarks of `validation` share. Each of them uses a part of it.

pub mod compile;
pub mod fixture;
pub mod project;
