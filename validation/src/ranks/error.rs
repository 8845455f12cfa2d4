//! Why ranks do not come together, on either side.

use std::io;

use super::{environment::EnvironmentError, refusal::Refusal, secret::SecretError};
use crate::{cell::Device, evidence::StorageError, exit::Exit};

/// Why the leader has no ranks.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The leader cannot be reached by anyone.
    #[error("cannot listen for ranks at {address}: {source}{}", in_use(.source))]
    Listen {
        /// Where.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// More ranks than GPUs.
    #[error("{world} ranks need {world} GPUs, but there are {gpus}")]
    TooFewGpus {
        /// Ranks.
        world: usize,
        /// GPUs.
        gpus: usize,
    },
    /// A rank's process cannot be started.
    #[error("rank {rank} cannot be started: {source}")]
    Start {
        /// The rank.
        rank: usize,
        /// What the system says.
        source: io::Error,
    },
    /// A rank's process ended before it arrived.
    #[error("rank {rank} ended before it arrived: {ending}; what it printed says why")]
    EndedEarly {
        /// The rank.
        rank: usize,
        /// How.
        ending: String,
    },
    /// Not all came.
    #[error("{} did not arrive within {seconds:.1} s", ranks(.missing))]
    Missing {
        /// The ranks that did not.
        missing: Vec<usize>,
        /// The deadline.
        seconds: f64,
    },
    /// One came that may not take part.
    #[error("{who} was refused: {refusal}")]
    Refused {
        /// What it called itself, and where it came from.
        who: String,
        /// Why.
        refusal: Refusal,
    },
    /// A rank that a launcher started was lost: nobody can start another.
    #[error("rank {rank} is gone, and only its launcher could start it again")]
    Gone {
        /// The rank.
        rank: usize,
    },
    /// A launcher started other ranks than those of the cell.
    #[error("{world} ranks on {device} are needed, but the launcher started {launched} on {launched_on}")]
    NotLaunched {
        /// What the ranks of the cell run on.
        device: Device,
        /// How many they are.
        world: usize,
        /// What those of the launcher run on.
        launched_on: Device,
        /// How many there are.
        launched: usize,
    },
    /// Which rank the leader is among those of its launcher is not known.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// Launched ranks need a secret that the leader knows too.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A fault that cannot be carried out.
    #[error("the fault cannot be carried out: {0}")]
    Fault(String),
    /// A task that is no JSON, or a report that is not understood.
    #[error("rank {rank}: {source}")]
    Task {
        /// The rank.
        rank: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// This program's file cannot be read.
    #[error(transparent)]
    Program(#[from] StorageError),
    /// The system gives no random numbers, or no sockets.
    #[error("cannot prepare for ranks: {0}")]
    System(#[from] io::Error),
}

/// Why a rank's process ended, other than because its leader said so.
#[derive(Debug, thiserror::Error)]
pub enum RankError {
    /// It does not know which rank it is.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// It has no secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Its GPU cannot be used.
    #[error("rank {rank} cannot use its GPU: {source}")]
    Gpu {
        /// The rank.
        rank: usize,
        /// What the driver says.
        source: robocache_core::cuda::CudaError,
    },
    /// Nobody listens.
    #[error("rank {rank} did not reach a leader at {address} within {seconds:.1} s: {reason}")]
    NoLeader {
        /// The rank.
        rank: usize,
        /// Where.
        address: String,
        /// The deadline.
        seconds: f64,
        /// What went wrong in the last attempt.
        reason: String,
    },
    /// Who listens there is no leader, or does not know the secret.
    #[error("rank {rank}: who listens at {address} is not its leader: {reason}")]
    Impostor {
        /// The rank.
        rank: usize,
        /// Where.
        address: String,
        /// What it did.
        reason: String,
    },
    /// The leader turned it away.
    #[error("rank {rank} was refused: {refusal}")]
    Refused {
        /// The rank.
        rank: usize,
        /// Why.
        refusal: Refusal,
    },
    /// This program's file cannot be read.
    #[error(transparent)]
    Program(#[from] StorageError),
    /// The system refused something.
    #[error("rank {rank} cannot {step}: {source}")]
    System {
        /// The rank.
        rank: usize,
        /// What was tried.
        step: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

impl RankError {
    /// The process's exit status: unusable input, or a harness that could not do its work.
    pub const fn exit(&self) -> Exit {
        match self {
            // Another rank is at fault.
            Self::Refused { rank: _, refusal: Refusal::GivenUp { .. } } => Exit::HarnessFailed,
            Self::Environment(_) | Self::Secret(_) | Self::Refused { .. } => Exit::BadInput,
            Self::Gpu { .. }
            | Self::NoLeader { .. }
            | Self::Impostor { .. }
            | Self::Program(_)
            | Self::System { .. } => Exit::HarnessFailed,
        }
    }
}

fn in_use(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => "; another program, or another run of this one, has the port: choose another",
        io::ErrorKind::AddrNotAvailable => "; the leader must run on the machine that it names",
        _ => "",
    }
}

fn ranks(missing: &[usize]) -> String {
    let list: Vec<_> = missing.iter().map(usize::to_string).collect();
    format!("{} {}", if list.len() == 1 { "rank" } else { "ranks" }, list.join(", "))
}
