//! What ran, on what, and what was asked of it: `environment.json`.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use robocache_core::subject::Description;
use serde::{Deserialize, Serialize};

use super::{
    fact::Fact,
    gpu::{self, Driver, GpuFacts},
    host::Host,
    program::Program,
    storage::StorageError,
};
use crate::{machine::Machine, matrix::Kind, ranks::launched::Launched, shard::Shard, shell::quoted};

/// The version of `environment.json`.
pub const FORMAT: u32 = 1;

/// Variables that change what a GPU, a collective or the runner does. Only these are recorded: environments hold
/// secrets, and nobody can list them all.
pub const RECORDED_VARIABLES: [&str; 40] = [
    "CUDA_CACHE_DISABLE",
    "CUDA_DEVICE_MAX_CONNECTIONS",
    "CUDA_DEVICE_ORDER",
    "CUDA_DISABLE_PTX_JIT",
    "CUDA_FORCE_PTX_JIT",
    "CUDA_LAUNCH_BLOCKING",
    "CUDA_MODULE_LOADING",
    "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE",
    "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT",
    "CUDA_VISIBLE_DEVICES",
    "NCCL_ALGO",
    "NCCL_BUFFSIZE",
    "NCCL_COLLNET_ENABLE",
    "NCCL_CROSS_NIC",
    "NCCL_CUMEM_ENABLE",
    "NCCL_DEBUG",
    "NCCL_GRAPH_MIXING_SUPPORT",
    "NCCL_IB_DISABLE",
    "NCCL_LAUNCH_MODE",
    "NCCL_LAUNCH_ORDER_IMPLICIT",
    "NCCL_MAX_CTAS",
    "NCCL_MAX_NCHANNELS",
    "NCCL_MIN_CTAS",
    "NCCL_MIN_NCHANNELS",
    "NCCL_MNNVL_ENABLE",
    "NCCL_NET_GDR_LEVEL",
    "NCCL_NTHREADS",
    "NCCL_NVLS_ENABLE",
    "NCCL_P2P_DISABLE",
    "NCCL_P2P_LEVEL",
    "NCCL_PROTO",
    "NCCL_SHM_DISABLE",
    "NCCL_SOCKET_IFNAME",
    "NEXTEST",
    "NEXTEST_RUN_ID",
    "NVIDIA_TF32_OVERRIDE",
    "NVIDIA_VISIBLE_DEVICES",
    "RAYON_NUM_THREADS",
    "RUST_BACKTRACE",
    "SOURCE_DATE_EPOCH",
];

/// What was asked: a run is resumed only by the same question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// The profile's name.
    pub profile: String,
    /// What it is for; left out in JSON where that is to validate.
    #[serde(default, skip_serializing_if = "Kind::is_validation")]
    pub kind: Kind,
    /// Which of its cells were asked for.
    pub filters: Filters,
    /// BLAKE3 of the matrix file, in hexadecimal.
    pub matrix_hash: String,
}

impl Selection {
    /// The question that this matrix file, profile and these filters make.
    pub fn new(profile: impl Into<String>, filters: Filters, matrix: &[u8]) -> Self {
        let matrix_hash = blake3::hash(matrix).to_hex().to_string();
        Self { profile: profile.into(), kind: Kind::Validation, filters, matrix_hash }
    }
}

/// Which cells of a profile were asked for, in the terms of the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filters {
    /// Cells whose name contains one of these, or is one of these if `exact`; all, if there are none.
    #[serde(default)]
    pub include: Vec<String>,
    /// Whether names must match completely.
    #[serde(default)]
    pub exact: bool,
    /// Cells that were left out in the same way.
    #[serde(default)]
    pub skip: Vec<String>,
    /// Which part of them, where several processes share them; left out in JSON where one runs all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// The ranks that a launcher started, where only their cells were asked for; left out in JSON where none were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launched: Option<Launched>,
}

impl fmt::Display for Filters {
    /// As they are typed.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { include, exact, skip, shard, launched } = self;
        let mut words = include.clone();
        words.extend(exact.then(|| "--exact".to_owned()));
        words.extend(skip.iter().map(|skip| format!("--skip {skip}")));
        words.extend(shard.map(|shard| format!("--shard {shard}")));
        words.extend(launched.map(|launched| launched.to_string()));
        if words.is_empty() { formatter.write_str("none") } else { write!(formatter, "`{}`", words.join(" ")) }
    }
}

/// What ran, on what, and what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The version of this file.
    pub format: u32,
    /// The run's name: that of its folder.
    pub run: String,
    /// When it started, or was resumed.
    pub started: Timestamp,
    /// The program.
    pub program: Program,
    /// The library under test; left out in JSON where the program tests its own operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Description>,
    /// The question.
    pub selection: Selection,
    /// How many cells it is about; left out in JSON where that was not known at the start, as for the processes of
    /// cargo-nextest, which share a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cells: Option<u64>,
    /// The command line that asks it again, filters left out.
    pub invocation: String,
    /// BLAKE3 of the image of CUDA kernels, in hexadecimal: the embedded one, or that of `--kernels`.
    pub kernel_image: Fact<String>,
    /// The machine, its GPUs apart. It has no name here: evidence is published.
    pub host: Host,
    /// NVIDIA's driver.
    pub driver: Fact<Driver>,
    /// The CUPTI library that was found.
    pub cupti: Fact<String>,
    /// The NCCL library that was found.
    pub nccl: Fact<String>,
    /// The GPUs that CUDA could use, in its order.
    pub gpus: Fact<Vec<GpuFacts>>,
    /// Those of [`RECORDED_VARIABLES`] that were set.
    pub variables: BTreeMap<String, String>,
}

impl Environment {
    /// Looks around. `kernel_image` is the hash of the image of kernels, or why there is none.
    pub fn collect(
        program: Program,
        selection: Selection,
        machine: &Machine,
        kernel_image: Result<String, String>,
    ) -> Self {
        let started = Timestamp::now();
        let (driver, gpus) = gpu::look(machine);
        Self {
            format: FORMAT,
            run: run_name(started),
            started,
            program,
            subject: machine.subject.clone(),
            invocation: format!("validation --profile {}", quoted(&selection.profile)),
            selection,
            cells: None,
            kernel_image: Fact::new(kernel_image),
            host: Host::look(),
            driver,
            cupti: Fact::new(machine.cupti.clone()),
            nccl: Fact::new(machine.nccl.clone()),
            gpus,
            variables: recorded_variables(|name| {
                std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
            }),
        }
    }

    /// Reads `environment.json` or one of its sequels.
    pub fn read(path: &Path) -> Result<Self, EnvironmentError> {
        let text = fs::read(path).map_err(StorageError::at("read", path))?;
        let malformed =
            |error: serde_json::Error| EnvironmentError::Malformed { path: path.to_owned(), reason: error.to_string() };
        let Version { format } = serde_json::from_slice(&text).map_err(malformed)?;
        if format > FORMAT {
            return Err(EnvironmentError::NewerFormat { path: path.to_owned(), found: format });
        }
        serde_json::from_slice(&text).map_err(malformed)
    }

    /// The file's content.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("maps with string keys and finite numbers only");
        text.push('\n');
        text
    }
}

/// What every version of the file has.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

/// Why an environment cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// The file cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// It does not hold an environment.
    #[error("`{path}` is damaged: {reason}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        reason: String,
    },
    /// A later version of this program wrote it.
    #[error(
        "`{path}`: format {found} is newer than {FORMAT}, the newest that this program reads; use the version of the \
         program that wrote it, or a later one",
        path = path.display()
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
}

/// A name that sorts by time, such as `20261122T140312.482Z`.
fn run_name(started: Timestamp) -> String {
    started.strftime("%Y%m%dT%H%M%S%.3fZ").to_string()
}

fn recorded_variables(lookup: impl Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    RECORDED_VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), lookup(name)?))).collect()
}
