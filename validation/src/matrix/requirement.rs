//! What a profile needs of a machine.

use std::{fmt, num::NonZeroU32};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{cell::Device, machine::Machine, ranks::launched::Launched};

/// Something without which a profile's run is incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Requirement {
    /// A GPU that CUDA can use.
    Cuda,
    /// The CUPTI library.
    Cupti,
    /// The NCCL library, and this many GPUs, on one machine or with a launched rank each.
    Nccl(NonZeroU32),
    /// The file of every recorded input that the profile selects.
    Datasets,
}

impl Requirement {
    /// What the machine lacks of it; `None` if it has it. `datasets` are the recorded inputs that the profile selects.
    pub fn missing(self, machine: &Machine, datasets: &[&str]) -> Option<String> {
        let absence = match self {
            Self::Cuda if machine.gpus.is_empty() => machine.cuda_absence().to_owned(),
            Self::Cuda => return None,
            Self::Cupti => machine.cupti.as_ref().err()?.clone(),
            Self::Nccl(world) => match &machine.nccl {
                Err(absence) => absence.clone(),
                Ok(_) => few_gpus(machine, world.get() as usize)?,
            },
            Self::Datasets => {
                let absences: Vec<_> = datasets
                    .iter()
                    .filter_map(|name| Some(format!("{name}: {}", machine.dataset_absence(name)?)))
                    .collect();
                if absences.is_empty() {
                    return None;
                }
                absences.join("; ")
            }
        };
        Some(format!("{self}: {absence}"))
    }
}

/// What there is where there are fewer than `needed` GPUs, each with a rank; `None` if there are enough.
fn few_gpus(machine: &Machine, needed: usize) -> Option<String> {
    match machine.launched {
        // Theirs may be on other machines, one for each.
        Some(Launched { launcher, device: Device::Cuda, world }) => {
            (world < needed).then(|| format!("{launcher} started {world} ranks"))
        }
        Some(_) | None => {
            let gpus = machine.gpus.len();
            (gpus < needed).then(|| format!("this machine has {gpus} GPUs that CUDA can use"))
        }
    }
}

impl fmt::Display for Requirement {
    /// As the matrix writes it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cuda => formatter.write_str("cuda"),
            Self::Cupti => formatter.write_str("cupti"),
            Self::Nccl(world) => write!(formatter, "nccl: {world}"),
            Self::Datasets => formatter.write_str("datasets"),
        }
    }
}
