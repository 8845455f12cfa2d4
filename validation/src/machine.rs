//! What this machine has, found once before planning.

pub(crate) mod child;
mod here;

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use robocache_core::{cuda::KernelFile, subject::Description};
use serde::{Deserialize, Serialize};

use self::child::Question;
use crate::{cell::Input, golden::Corpus, kernels::UnusableKernels, ranks::launched::Launched};

/// What GPUs and libraries there are. Eight GPUs, and kernels compiled from PTX, take a driver a few seconds.
const SEARCH: Question = Question {
    task: "the search for GPUs",
    deadline: Duration::from_secs(20),
    after_deadline: "the driver may hang: does nvidia-smi answer?",
};

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
    /// The goldens of each release that the matrix names, or why they cannot be used.
    #[serde(skip)]
    pub goldens: BTreeMap<String, Result<Corpus, String>>,
    /// The library under test, if there is one: what it lacks cannot be run on any machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Description>,
    /// The ranks that were launched together with this process, perhaps on other machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launched: Option<Launched>,
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
    /// Looks for GPUs and libraries in a child process, because a driver can hang or crash who calls it.
    ///
    /// The child is this program with the argument `probe`, which answers with [`Machine::probe_here`] as JSON. Datasets
    /// are not looked for: they are files, and the matrix names them.
    pub fn probe() -> Self {
        let found = env::current_exe().map_err(|error| format!("this program's file is unknown: {error}"));
        let found = found.and_then(|program| child::ask(Command::new(program).arg("probe"), SEARCH));
        found.unwrap_or_else(Self::without_gpus)
    }

    /// The same, for a file of kernels in the place of those of this program. The error says what is wrong with the file.
    pub fn probe_with(kernels: &KernelFile) -> Result<Self, UnusableKernels> {
        let found = env::current_exe().map_err(|error| format!("this program's file is unknown: {error}"));
        let ask = |program| {
            let mut command = Command::new(program);
            child::ask::<Result<Self, String>>(command.args(["probe", "--kernels"]).arg(kernels.path()), SEARCH)
        };
        match found.and_then(ask) {
            Ok(answer) => answer.map_err(UnusableKernels),
            Err(reason) => Ok(Self::without_gpus(reason)),
        }
    }

    /// The child's side of [`Machine::probe_with`].
    pub(crate) fn probe_here_with(kernels: &Path) -> Result<Self, String> {
        let file = KernelFile::read(kernels).map_err(|error| error.to_string())?;
        here::look_with(Some(&file)).map_err(|error| error.to_string())
    }

    /// Looks for GPUs and libraries in this process. A driver or a library can hang it or bring it down.
    pub fn probe_here() -> Self {
        here::look()
    }

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

    /// The file of the golden that this input is.
    pub(crate) fn golden_file(&self, input: &Input) -> Option<PathBuf> {
        match input {
            Input::Golden(golden) => self.goldens.get(&golden.release)?.as_ref().ok()?.path_of_hash(&golden.blake3),
            Input::Generated(_) | Input::Recorded(_) | Input::Pattern => None,
        }
    }

    /// What is certain when GPUs could not even be looked for, or were not, for this reason.
    pub(crate) fn without_gpus(reason: String) -> Self {
        Self {
            cpus: here::cpus(),
            gpus: Vec::new(),
            cuda_missing: Some(reason.clone()),
            cupti: Err(reason.clone()),
            nccl: Err(reason),
            datasets: BTreeMap::new(),
            goldens: BTreeMap::new(),
            subject: None,
            launched: None,
        }
    }
}
