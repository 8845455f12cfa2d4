//! The validation framework.

pub mod cell;
pub mod dataset;
pub mod machine;
pub mod observation;
pub mod plan;
pub mod protocol;
pub mod suites;
pub mod verdict;
