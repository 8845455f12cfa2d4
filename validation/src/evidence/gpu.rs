//! GPUs as NVML describes them.

use nvml_wrapper::{
    Device, Nvml, cuda_driver_version_major, cuda_driver_version_minor,
    enum_wrappers::device::{Clock, EccCounter, MemoryError},
    error::NvmlError,
};
use serde::{Deserialize, Serialize};

use super::fact::Fact;
use crate::machine::{Gpu, Machine};

/// NVIDIA's driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Driver {
    /// Its version.
    pub version: String,
    /// The newest CUDA that it speaks, such as `13.0`.
    pub cuda: Fact<String>,
}

/// One GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuFacts {
    /// What CUDA says of it: name, UUID, compute capability and memory.
    #[serde(flatten)]
    pub gpu: Gpu,
    /// Clocks when the run started.
    pub clocks: Fact<Clocks>,
    /// Its error-correcting memory.
    pub ecc: Fact<Ecc>,
    /// The power limit in milliwatts.
    pub power_limit_mw: Fact<u32>,
    /// Its temperature in degrees Celsius when the run started.
    pub temperature_c: Fact<u32>,
    /// Whether it is divided into instances.
    pub multi_instance: Fact<bool>,
}

/// Clocks in megahertz.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// Multiprocessors, now.
    pub sm_mhz: u32,
    /// Multiprocessors, at most.
    pub sm_max_mhz: u32,
    /// Memory, now.
    pub memory_mhz: u32,
    /// Memory, at most.
    pub memory_max_mhz: u32,
}

/// Error-correcting memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ecc {
    /// Whether errors are being corrected.
    pub enabled: bool,
    /// Errors corrected since the driver was loaded; `None` while it is off.
    pub corrected: Option<u64>,
    /// Errors since then that could not be corrected.
    pub uncorrected: Option<u64>,
}

/// What NVML says of the driver and of the machine's usable GPUs.
pub(super) fn look(machine: &Machine) -> (Fact<Driver>, Fact<Vec<GpuFacts>>) {
    let nvml = Nvml::init().map_err(|error| format!("NVML: {error}"));
    let driver = nvml.as_ref().map_err(Clone::clone).and_then(|nvml| driver(nvml).map_err(|error| error.to_string()));
    let gpus = match &machine.cuda_missing {
        Some(reason) if machine.gpus.is_empty() => Err(reason.clone()),
        Some(_) | None => Ok(machine.gpus.iter().map(|gpu| describe(&nvml, gpu)).collect()),
    };
    (Fact::new(driver), Fact::new(gpus))
}

fn driver(nvml: &Nvml) -> Result<Driver, NvmlError> {
    let cuda = nvml
        .sys_cuda_driver_version()
        .map(|version| format!("{}.{}", cuda_driver_version_major(version), cuda_driver_version_minor(version)));
    Ok(Driver { version: nvml.sys_driver_version()?, cuda: Fact::new(cuda) })
}

fn describe(nvml: &Result<Nvml, String>, gpu: &Gpu) -> GpuFacts {
    let device = nvml
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|nvml| nvml.device_by_uuid(gpu.uuid.as_str()).map_err(|error| format!("NVML: {error}")));
    GpuFacts {
        gpu: gpu.clone(),
        clocks: ask(&device, clocks),
        ecc: ask(&device, ecc),
        power_limit_mw: ask(&device, Device::enforced_power_limit),
        temperature_c: ask(&device, |device| {
            device.temperature(nvml_wrapper::enum_wrappers::device::TemperatureSensor::Gpu)
        }),
        multi_instance: ask(&device, |device| Ok(device.mig_mode()?.current != 0)),
    }
}

fn ask<'nvml, T>(
    device: &Result<Device<'nvml>, String>,
    question: impl FnOnce(&Device<'nvml>) -> Result<T, NvmlError>,
) -> Fact<T> {
    let answer = device.as_ref().map_err(Clone::clone);
    Fact::new(answer.and_then(|device| question(device).map_err(|error| format!("NVML: {error}"))))
}

fn clocks(device: &Device<'_>) -> Result<Clocks, NvmlError> {
    Ok(Clocks {
        sm_mhz: device.clock_info(Clock::SM)?,
        sm_max_mhz: device.max_clock_info(Clock::SM)?,
        memory_mhz: device.clock_info(Clock::Memory)?,
        memory_max_mhz: device.max_clock_info(Clock::Memory)?,
    })
}

fn ecc(device: &Device<'_>) -> Result<Ecc, NvmlError> {
    let enabled = device.is_ecc_enabled()?.currently_enabled;
    let count = |kind| device.total_ecc_errors(kind, EccCounter::Volatile).ok();
    Ok(Ecc { enabled, corrected: count(MemoryError::Corrected), uncorrected: count(MemoryError::Uncorrected) })
}
