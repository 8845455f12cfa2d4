//! Looking for GPUs and libraries in this process.

use std::{collections::BTreeMap, fmt::Display, num::NonZero, path::Path, thread};

use nvml_wrapper::{Nvml, error::NvmlError};
use robocache_core::{
    cuda::{CudaError, DeviceProperties, KernelFile, KernelFileError, usable_gpus, usable_gpus_with},
    cupti::Cupti,
    library::NCCL,
};

use super::{Gpu, Machine};

pub(super) fn look() -> Machine {
    machine(usable_gpus())
}

/// The same for a file of kernels; an error says that it is unusable, and not a GPU.
pub(super) fn look_with(kernels: Option<&KernelFile>) -> Result<Machine, KernelFileError> {
    match usable_gpus_with(kernels) {
        Err(CudaError::KernelFile(error)) => Err(error),
        found => Ok(machine(found)),
    }
}

fn machine(found: Result<Vec<DeviceProperties>, CudaError>) -> Machine {
    let (gpus, cuda_missing) = match found {
        Ok(gpus) => (gpus.into_iter().map(Gpu::from).collect(), None),
        Err(error) => (Vec::new(), Some(format!("{error}{}", second_opinion()))),
    };
    Machine {
        cpus: cpus(),
        gpus,
        cuda_missing,
        cupti: described(Cupti::load().map(Cupti::path)),
        nccl: described(NCCL.load().as_ref().map(|library| &*library.path)),
        datasets: BTreeMap::new(),
        goldens: BTreeMap::new(),
        subject: None,
        launched: None,
    }
}

/// Logical processors that this process may use: fewer than the machine has under `taskset` or in a container.
pub(super) fn cpus() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// A library's file, or why it cannot be used.
fn described(found: Result<&Path, impl Display>) -> Result<String, String> {
    found.map(|path| path.display().to_string()).map_err(|error| error.to_string())
}

/// What NVML sees where CUDA sees nothing usable: the difference is often the diagnosis.
fn second_opinion() -> String {
    let seen = || -> Result<String, NvmlError> {
        let nvml = Nvml::init()?;
        Ok(format!(" (NVML sees driver {} and {} GPUs)", nvml.sys_driver_version()?, nvml.device_count()?))
    };
    // Without a driver there is no NVML either, and nothing to add.
    seen().unwrap_or_default()
}

impl From<DeviceProperties> for Gpu {
    fn from(properties: DeviceProperties) -> Self {
        let (major, minor) = properties.compute_capability;
        Self {
            name: properties.name,
            uuid: properties.uuid,
            compute_capability: format!("{major}.{minor}"),
            memory_bytes: properties.memory_bytes as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_has_a_reason() {
        let machine = look();
        assert!(machine.cpus >= 1);
        assert_eq!(machine.gpus.is_empty(), machine.cuda_missing.is_some());
        for found in [machine.cupti, machine.nccl] {
            let (Ok(text) | Err(text)) = found;
            assert!(text.contains("lib"), "{text}");
        }
    }

    #[test]
    fn a_gpu_is_described_as_people_write_it() {
        let gpu = Gpu::from(DeviceProperties {
            ordinal: 0,
            name: "NVIDIA H200".into(),
            uuid: "GPU-00112233-4455-6677-8899-aabbccddeeff".into(),
            compute_capability: (9, 0),
            multiprocessors: 132,
            memory_bytes: 150_754_820_096,
            l2_bytes: 60 << 20,
        });
        assert_eq!((gpu.compute_capability.as_str(), gpu.memory_bytes), ("9.0", 150_754_820_096));
    }
}
