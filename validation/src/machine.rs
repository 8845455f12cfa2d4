//! What this machine has, found once before planning.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Facts about the machine that decide which cells can run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Logical processors that this process may use.
    pub cpus: usize,
    /// GPUs that CUDA can use, in its order; an empty list comes with a reason.
    pub gpus: Vec<Gpu>,
    /// Why there are no usable GPUs.
    pub cuda_missing: Option<String>,
    /// The CUPTI library that was found, or why there is none.
    pub cupti: Result<String, String>,
    /// The NCCL library that was found, or why there is none.
    pub nccl: Result<String, String>,
    /// Recorded inputs: name in the matrix, and why its file cannot be used (`None`: it can).
    pub datasets: BTreeMap<String, Option<String>>,
}

/// One usable GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// Product name.
    pub name: String,
    /// UUID as the driver prints it.
    pub uuid: String,
    /// Compute capability, such as `9.0`.
    pub compute_capability: String,
    /// Memory in bytes.
    pub memory_bytes: u64,
}

impl Machine {
    /// Why CUDA can use no GPU; meaningful only if there is none.
    pub fn cuda_absence(&self) -> &str {
        self.cuda_missing.as_deref().unwrap_or("no GPU that CUDA can use")
    }

    /// Why the recorded input of this name cannot be used; `None` if it can.
    pub fn dataset_absence(&self, name: &str) -> Option<&str> {
        match self.datasets.get(name) {
            Some(None) => None,
            Some(Some(absence)) => Some(absence),
            None => Some("it was not looked for, as no data folder was given"),
        }
    }
}
