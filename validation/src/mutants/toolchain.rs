//! What makes implementations of sources, and where they run.

use std::path::Path;

use fault_injection::{CompileError, Compiler, Nvcc, Sources};
use robocache_core::cuda::KernelFile;

use super::{
    MutantsError,
    library::{Implementation, NoLibrary},
};
use crate::{cell::Device, machine::Machine, subject};

/// The compiler of one device's sources, and what it must know of the machine.
pub(super) enum Toolchain {
    /// C, for subjects that compute on the CPU.
    C(Compiler),
    /// CUDA, for the kernels of this program on the first GPU.
    Cuda {
        nvcc: Nvcc,
        /// Such as `9.0`.
        capability: String,
        /// The GPU, as `CUDA_VISIBLE_DEVICES` names it.
        gpu: String,
    },
}

impl Toolchain {
    /// Looks for a compiler, and for a GPU where it takes one.
    pub(super) fn find(device: Device, machine: &Machine) -> Result<Self, MutantsError> {
        match device {
            Device::Cpu => Ok(Self::C(Compiler::find()?)),
            Device::Cuda => {
                let reason = || machine.cuda_missing.clone().unwrap_or_else(|| "there is no GPU".to_owned());
                let gpu = machine.gpus.first().ok_or_else(|| MutantsError::NoGpu(reason()))?;
                let nvcc = Nvcc::find()?;
                Ok(Self::Cuda { nvcc, capability: gpu.compute_capability.clone(), gpu: gpu.uuid.clone() })
            }
        }
    }

    /// What the compiler says of itself.
    pub(super) fn version(&self) -> &str {
        match self {
            Self::C(compiler) => compiler.version(),
            Self::Cuda { nvcc, .. } => nvcc.version(),
        }
    }

    /// The workers of GPUs that a supervisor has, and those of CPUs.
    pub(super) fn workers(&self) -> (usize, Vec<String>) {
        match self {
            Self::C(_) => (1, Vec::new()),
            Self::Cuda { gpu, .. } => (0, vec![gpu.clone()]),
        }
    }

    /// Makes something that can be run, in this folder.
    pub(super) fn build(&self, name: &str, sources: &Sources, folder: &Path) -> Result<Implementation, NoLibrary> {
        match self {
            Self::C(compiler) => {
                let path = compiler.compile(sources, folder).map_err(NoLibrary::Uncompilable)?;
                let unusable = |source| NoLibrary::Other(MutantsError::Subject { name: name.to_owned(), source });
                let description = subject::look(&path).map_err(unusable)?;
                Ok(Implementation::Subject { path, description: Box::new(description) })
            }
            Self::Cuda { nvcc, capability, .. } => {
                let path = nvcc.compile(sources, capability, folder).map_err(NoLibrary::Uncompilable)?;
                let unusable = |error: robocache_core::cuda::KernelFileError| CompileError::Refused(error.to_string());
                let file = KernelFile::read(&path).map_err(unusable).map_err(NoLibrary::Uncompilable)?;
                Ok(Implementation::Kernels(file))
            }
        }
    }
}
