//! From the name of a device to a session on it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, btree_map::Entry},
    path::PathBuf,
    sync::OnceLock,
};

use robocache_core::{
    cpu::{CpuOptions, CpuSession},
    cuda::{self, CudaError, CudaSession, KernelFile},
    operator::{Problem, RunError},
    session::{RunOutcome, Session, Variation},
    tensor::HostTensor,
    timing::{CpuStopwatch, CudaStopwatch, Stopwatch},
};

use crate::{
    cell::Device,
    observation::{OperatorFailure, OutputHashes},
};

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
        Device::Cuda => Ok(Box::new(CudaSession::new(gpu(0)?, problem, inputs)?)),
    }
}

/// Prepares a problem and its inputs for being timed.
pub(crate) fn stopwatch<'a>(
    device: Device,
    problem: &'a dyn Problem,
    inputs: &[HostTensor],
) -> Result<Box<dyn Stopwatch + 'a>, RunError> {
    match device {
        Device::Cpu => Ok(Box::new(CpuStopwatch::new(problem, inputs.to_vec(), CpuOptions::default())?)),
        Device::Cuda => Ok(Box::new(CudaStopwatch::new(gpu(0)?, problem, inputs)?)),
    }
}

/// The UUID of this worker's own GPU.
pub(crate) fn own_gpu_uuid() -> Result<&'static str, CudaError> {
    Ok(&gpu(0)?.context().properties().uuid)
}

/// How many GPUs this worker sees besides its own.
pub(super) fn other_gpus() -> Result<usize, CudaError> {
    Ok(cuda::device_count()?.saturating_sub(1))
}

/// One plain run on another GPU than this worker's; `number` counts them from 1.
pub(super) fn run_on_other_gpu(
    number: usize,
    problem: &dyn Problem,
    inputs: &[HostTensor],
) -> Result<RunOutcome, RunError> {
    CudaSession::new(gpu(number)?, problem, inputs)?.run(Variation::Plain { poison: POISON })
}

/// The file of kernels that every GPU of this process is opened with, and its hash.
static KERNELS: OnceLock<(PathBuf, String)> = OnceLock::new();

/// Has GPUs that are opened from now on load a file in the place of the kernels of this build. Called once, before any is.
pub(crate) fn use_kernels(path: PathBuf, hash: String) {
    // A second call would be a mistake of this program; the first file stays.
    let _ = KERNELS.set((path, hash));
}

fn open_gpu(number: usize) -> Result<cuda::Device, CudaError> {
    let file = KERNELS.get().map(|(path, hash)| KernelFile::read_again(path, hash)).transpose()?;
    cuda::Device::open_with(number, file.as_ref())
}

/// A GPU, opened for its first cell and kept until the process ends. The supervisor shows each worker its own GPU as
/// number 0 and the others behind it; a context that broke is replaced with its process.
pub(super) fn gpu(number: usize) -> Result<&'static cuda::Device, CudaError> {
    thread_local! {
        static OPEN: RefCell<BTreeMap<usize, &'static cuda::Device>> = const { RefCell::new(BTreeMap::new()) };
    }
    OPEN.with_borrow_mut(|open| match open.entry(number) {
        Entry::Occupied(device) => Ok(*device.get()),
        Entry::Vacant(place) => Ok(*place.insert(Box::leak(Box::new(open_gpu(number)?)))),
    })
}

/// One plain run in a session of its own.
pub(super) fn run_once(device: Device, problem: &dyn Problem, inputs: &[HostTensor]) -> Result<RunOutcome, RunError> {
    open(device, problem, inputs)?.run(Variation::Plain { poison: POISON })
}

/// The number of the GPU that a rank has for itself.
static OWN_GPU: OnceLock<usize> = OnceLock::new();

/// Says which GPU of those that this process sees is that of its rank. Called once, before any is opened.
pub(crate) fn use_gpu(number: usize) {
    // As above.
    let _ = OWN_GPU.set(number);
}

/// The outputs of one plain run on a rank's own device.
pub(super) fn run_as_rank(
    device: Device,
    problem: &dyn Problem,
    inputs: &[HostTensor],
) -> Result<Vec<HostTensor>, RunError> {
    let own = OWN_GPU.get().copied().unwrap_or(0);
    let outcome = match device {
        Device::Cpu => run_once(device, problem, inputs)?,
        Device::Cuda => CudaSession::new(gpu(own)?, problem, inputs)?.run(Variation::Plain { poison: POISON })?,
    };
    Ok(outcome.outputs)
}

/// BLAKE3 of each output by its name.
pub(super) fn hashes(outputs: &[HostTensor]) -> OutputHashes {
    outputs.iter().map(|output| (output.name().to_owned(), output.hash().to_hex().to_string())).collect()
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
