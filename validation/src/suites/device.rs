//! From the name of a device to a session on it.

use std::cell::OnceCell;

use robocache_core::{
    cpu::CpuSession,
    cuda::{self, CudaError, CudaSession},
    operator::{Problem, RunError},
    session::{RunOutcome, Session, Variation},
    tensor::HostTensor,
};

use crate::{cell::Device, observation::OperatorFailure};

/// The byte that fills outputs and scratch memory before a first run.
pub(super) const POISON: u8 = 0x00;

/// Puts a problem and its inputs on a device.
pub(super) fn open<'a>(
    device: Device,
    problem: &'a dyn Problem,
    inputs: &[HostTensor],
) -> Result<Box<dyn Session + 'a>, RunError> {
    match device {
        Device::Cpu => Ok(Box::new(CpuSession::new(problem, inputs.to_vec())?)),
        Device::Cuda => Ok(Box::new(CudaSession::new(gpu()?, problem, inputs)?)),
    }
}

/// The GPU of this worker, opened for its first CUDA cell and kept until the process ends. The supervisor shows each
/// worker one GPU; a context that broke is replaced with its process.
fn gpu() -> Result<&'static cuda::Device, CudaError> {
    thread_local! {
        static GPU: OnceCell<&'static cuda::Device> = const { OnceCell::new() };
    }
    GPU.with(|gpu| match gpu.get() {
        Some(device) => Ok(*device),
        None => {
            let device = Box::leak(Box::new(cuda::Device::open(0)?));
            Ok(*gpu.get_or_init(|| device))
        }
    })
}

/// One plain run in a session of its own.
pub(super) fn run_once(device: Device, problem: &dyn Problem, inputs: &[HostTensor]) -> Result<RunOutcome, RunError> {
    open(device, problem, inputs)?.run(Variation::Plain { poison: POISON })
}

/// Says during what an error came.
pub(super) fn during(name: impl ToString) -> impl FnOnce(RunError) -> OperatorFailure {
    move |error| OperatorFailure {
        during: name.to_string(),
        message: error.to_string(),
        sticky: match &error {
            RunError::Cuda(error) => error.is_sticky(),
            RunError::Input(_) | RunError::Mismatch { .. } | RunError::Other(_) => false,
        },
    }
}
