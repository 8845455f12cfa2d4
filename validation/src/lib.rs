//! The validation framework.

pub mod cell;
pub mod dataset;
pub mod evidence;
pub mod machine;
pub mod matrix;
pub mod observation;
pub mod plan;
pub mod protocol;
pub mod report;
pub mod suites;
pub mod supervisor;
pub mod verdict;
pub mod worker;
