//! What a profile needs of a machine.

use std::{fmt, num::NonZeroU32};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::machine::Machine;

/// Something without which a profile's run is incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Requirement {
    /// A GPU that CUDA can use.
    Cuda,
    /// The CUPTI library.
    Cupti,
    /// The NCCL library, and this many GPUs.
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
                Ok(_) if machine.gpus.len() < world.get() as usize => {
                    format!("this machine has {} GPUs that CUDA can use", machine.gpus.len())
                }
                Ok(_) => return None,
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
