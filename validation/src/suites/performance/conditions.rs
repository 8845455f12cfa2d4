//! What state the GPU is in while it is timed: clocks, temperature, and whether it is throttled.

use nvml_wrapper::{
    Nvml,
    bitmasks::device::ThrottleReasons,
    enum_wrappers::device::{Clock, TemperatureSensor},
    error::NvmlError,
};

use crate::{evidence::Fact, observation::GpuConditions};

/// Reasons for lower clocks that make a time unfit for comparison. Idling and clocks that somebody set do not.
const THROTTLED: [(ThrottleReasons, &str); 6] = [
    (ThrottleReasons::SW_POWER_CAP, "power_cap"),
    (ThrottleReasons::HW_SLOWDOWN, "hardware_slowdown"),
    (ThrottleReasons::SYNC_BOOST, "sync_boost"),
    (ThrottleReasons::SW_THERMAL_SLOWDOWN, "thermal"),
    (ThrottleReasons::HW_THERMAL_SLOWDOWN, "hardware_thermal"),
    (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "power_brake"),
];

/// Who looks at the machine between samples.
pub(super) trait Observer {
    /// What there is to see; `None` where there is nothing to look at, an error where it cannot be seen.
    fn look(&self) -> Option<Result<Reading, String>>;
}

/// One look at a GPU.
pub(super) struct Reading {
    pub(super) sm_mhz: u32,
    pub(super) memory_mhz: u32,
    pub(super) temperature_c: u32,
    /// Why it is throttled; empty if it is not.
    pub(super) throttled: Vec<&'static str>,
}

/// A CPU: nothing to look at.
pub(super) struct Nobody;

impl Observer for Nobody {
    fn look(&self) -> Option<Result<Reading, String>> {
        None
    }
}

/// NVIDIA's management library, looking at one GPU.
pub(super) struct GpuObserver {
    nvml: Result<Nvml, String>,
    uuid: String,
}

impl GpuObserver {
    /// An observer of the GPU with this UUID. Without the library every look is an error that says so.
    pub(super) fn new(uuid: &str) -> Self {
        Self { nvml: Nvml::init().map_err(|error| format!("NVML: {error}")), uuid: uuid.to_owned() }
    }

    fn read(&self, nvml: &Nvml) -> Result<Reading, NvmlError> {
        let device = nvml.device_by_uuid(self.uuid.as_str())?;
        let reasons = device.current_throttle_reasons()?;
        Ok(Reading {
            sm_mhz: device.clock_info(Clock::SM)?,
            memory_mhz: device.clock_info(Clock::Memory)?,
            temperature_c: device.temperature(TemperatureSensor::Gpu)?,
            throttled: THROTTLED
                .iter()
                .filter(|(reason, _)| reasons.contains(*reason))
                .map(|(_, name)| *name)
                .collect(),
        })
    }
}

impl Observer for GpuObserver {
    fn look(&self) -> Option<Result<Reading, String>> {
        let nvml = match &self.nvml {
            Ok(nvml) => nvml,
            Err(reason) => return Some(Err(reason.clone())),
        };
        Some(self.read(nvml).map_err(|error| format!("NVML: {error}")))
    }
}

/// All looks of one series.
#[derive(Default)]
pub(super) struct Conditions {
    seen: Option<GpuConditions>,
    unseen: Option<String>,
}

impl Conditions {
    /// Looks once more; whether the GPU is known to be throttled now.
    pub(super) fn look(&mut self, observer: &dyn Observer) -> bool {
        match observer.look() {
            None => false,
            Some(Err(reason)) => {
                self.unseen.get_or_insert(reason);
                false
            }
            Some(Ok(Reading { sm_mhz, memory_mhz, temperature_c, throttled })) => {
                let seen = self.seen.get_or_insert_with(|| GpuConditions {
                    sm_mhz: (sm_mhz, sm_mhz),
                    memory_mhz: (memory_mhz, memory_mhz),
                    temperature_c: (temperature_c, temperature_c),
                    throttled: Vec::new(),
                });
                for (range, value) in [
                    (&mut seen.sm_mhz, sm_mhz),
                    (&mut seen.memory_mhz, memory_mhz),
                    (&mut seen.temperature_c, temperature_c),
                ] {
                    *range = (range.0.min(value), range.1.max(value));
                }
                for reason in &throttled {
                    if !seen.throttled.iter().any(|known| known == reason) {
                        seen.throttled.push((*reason).to_owned());
                    }
                }
                !throttled.is_empty()
            }
        }
    }

    /// What was seen, or why not everything was; `None` if there was nothing to look at.
    pub(super) fn into_facts(self) -> Option<Fact<GpuConditions>> {
        match (self.seen, self.unseen) {
            (_, Some(missing)) => Some(Fact::Missing { missing }),
            (Some(seen), None) => Some(Fact::Known(seen)),
            (None, None) => None,
        }
    }
}
