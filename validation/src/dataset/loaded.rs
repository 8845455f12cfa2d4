//! What a recording becomes.

use robocache_core::{parameters::Parameters, tensor::HostTensor};

/// A recording as its operator takes it.
#[derive(Clone, Debug)]
pub struct LoadedInputs {
    /// The matrix's arguments, completed by those that the recording decides.
    pub parameters: Parameters,
    /// The inputs in the problem's order, each value rounded once to the dtype.
    pub inputs: Vec<HostTensor>,
}
