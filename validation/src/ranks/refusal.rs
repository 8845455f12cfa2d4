//! Why a rank may not take part.

use serde::{Deserialize, Serialize};

use super::protocol::VERSION;

/// What the leader says to a rank that it turns away. The words are for the one who reads the rank's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// It speaks another version of the protocol.
    #[error("the leader speaks version {VERSION} of the protocol between ranks, this rank version {theirs}")]
    OtherProtocol {
        /// The rank's version.
        theirs: u32,
    },
    /// It does not know the secret.
    #[error("the secret is not that of the leader: ROBOCACHE_RENDEZVOUS_SECRET must be the same everywhere")]
    WrongSecret,
    /// It counts other ranks than the leader.
    #[error("this rank is one of {theirs}, but the leader waits for {ours} ranks")]
    OtherWorld {
        /// How many ranks the leader waits for.
        ours: usize,
        /// How many the rank counts.
        theirs: usize,
    },
    /// There is no such rank.
    #[error("rank {rank} is out of range: the ranks are 0 to {}", .world - 1)]
    OutOfRange {
        /// The rank.
        rank: usize,
        /// How many there are.
        world: usize,
    },
    /// Another process is that rank already.
    #[error("rank {rank} is taken by process {pid} on {host}")]
    Taken {
        /// The rank.
        rank: usize,
        /// The process that has it.
        pid: u32,
        /// Its machine.
        host: String,
    },
    /// It is another build, or runs another library or other kernels.
    #[error(
        "this is another program than the leader's, or has another library or other kernels: all ranks must run the same"
    )]
    OtherProgram,
    /// It has a GPU where the leader's cells run on the CPU, or none where they need one.
    #[error("this rank has {theirs}, but the ranks need {needed}")]
    OtherDevice {
        /// What is needed: `a GPU` or `no GPU`.
        needed: String,
        /// What the rank has.
        theirs: String,
    },
    /// It has another model of GPU than the ranks that are there.
    #[error("this rank has an {theirs}, but rank {rank} has an {ours}: all must be of one model")]
    MixedGpus {
        /// A rank that is there.
        rank: usize,
        /// The model of its GPU.
        ours: String,
        /// The model of the refused rank's GPU.
        theirs: String,
    },
    /// Two ranks share a GPU, which NCCL does not allow.
    #[error("the GPU {uuid} is used by rank {rank} already")]
    GpuTaken {
        /// The rank that has it.
        rank: usize,
        /// The GPU.
        uuid: String,
    },
    /// Nothing is wrong with this rank, but the ranks do not come together.
    #[error("the ranks did not come together: {reason}")]
    GivenUp {
        /// Why not.
        reason: String,
    },
}
