//! The launch_count suite: everything that one call does to a GPU, counted in independent ways.

use robocache_core::{
    cuda::{CensusError, CudaSession},
    cupti::Cupti,
    operator::RunError,
};

use super::{
    device::{during, gpu},
    prepare::Prepared,
};
use crate::{
    cell::{Cell, Device},
    observation::{LaunchFacts, OperatorFailure},
};

/// Counts one call of the cell's problem. The outer error says why this program cannot count: without records that can be
/// trusted there are no facts.
pub(super) fn observe(cell: &Cell, prepared: &Prepared) -> Result<Result<LaunchFacts, OperatorFailure>, String> {
    match cell.device {
        Device::Cpu => return Err("launches are counted on a GPU".to_owned()),
        Device::Cuda => {}
    }
    let cupti_version = Cupti::load().map_err(|error| error.to_string())?.version();
    let Prepared { problem, inputs, .. } = prepared;
    let session = gpu(0).map_err(RunError::from).and_then(|gpu| CudaSession::new(gpu, &**problem, inputs));
    let mut session = match session {
        Ok(session) => session,
        Err(error) => return Ok(Err(during("set_up")(error))),
    };
    match session.census() {
        Ok(census) => Ok(Ok(LaunchFacts { cupti_version, census })),
        Err(CensusError::Cuda(error)) => Ok(Err(during("census")(error.into()))),
        Err(CensusError::Cupti(error)) => Err(error.to_string()),
    }
}
