//! Recorded inputs: point clouds and trajectories.
//!
//! A file's bytes are parsed into a [`Cloud`] or a [`Trajectory`], whose values are kept as f64 and whose times are
//! kept as exact integer nanoseconds; from these come the arguments that the recording decides and the tensors that
//! the operator takes. Every parser is a function of bytes: opening files is the business of [`load`] alone.
//!
//! Whatever a file holds, the answer is a recording or a [`DatasetError`] that names the file, the place in it and
//! the rule it breaks.

mod cloud;
mod delimited;
mod error;
mod file;
mod find;
mod load;
mod loaded;
mod nanoseconds;
mod ply;
mod rounding;
mod seconds;
mod spec;
mod timeline;
mod trajectory;

pub use cloud::Cloud;
pub use error::{DatasetError, Fault, Flaw, Place};
pub use file::{COLUMN_LIMIT, FILE_LIMIT_BYTES, ROW_LIMIT};
pub use find::{DATA_VARIABLE, resolve, why_absent};
pub use load::load;
pub use loaded::LoadedInputs;
pub use seconds::COARSEST_SPACING;
pub use spec::{DatasetFormat, DatasetSpec, Expectation};
pub use timeline::TARGET_LIMIT;
pub use trajectory::Trajectory;
