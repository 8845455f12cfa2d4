//! What ranks do, which this room knows nothing of: a task and its report are JSON.

use robocache_core::{
    collective::Patterned,
    communicator::{Communicator, CommunicatorError},
};
use serde_json::value::RawValue;

/// What is done with a communicator.
pub trait Work {
    /// Does the task of this rank, and reports.
    fn perform<C>(&self, communicator: &mut C, task: &RawValue) -> Result<Box<RawValue>, WorkError>
    where
        C: Communicator,
        C::Memory: Patterned;
}

/// Why a task was not done.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The ranks did not get it done together.
    #[error(transparent)]
    Communicator(#[from] CommunicatorError),
    /// This rank cannot do it, whoever the others are.
    #[error("{0}")]
    Failed(String),
}
