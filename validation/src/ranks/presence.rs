//! What a rank says of itself when it arrives.

use std::{fs, io, process};

use serde::{Deserialize, Serialize};

use crate::evidence::{Program, StorageError};

/// One rank's process and what it runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// The rank.
    pub rank: usize,
    /// How many ranks it takes part with.
    pub world: usize,
    /// The process.
    pub pid: u32,
    /// The machine.
    pub host: String,
    /// BLAKE3 of the program's file, in hexadecimal, and of the library or the kernels that it runs in the place of its own:
    /// ranks of different ones are not compared. `started by the leader` for a rank that it started: that runs the very
    /// files that the leader chose, and to read a hundred megabytes takes longer than everything else that a rank does first.
    pub program: String,
    /// Its GPU, if it uses one.
    pub gpu: Option<RankGpu>,
}

/// The GPU of one rank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RankGpu {
    /// Product name.
    pub name: String,
    /// UUID as the driver prints it.
    pub uuid: String,
    /// Version of CUDA that the driver supports, such as `13.0`.
    pub driver: String,
}

/// The program of ranks that their leader started.
pub(super) const STARTED: &str = "started by the leader";

/// What this process runs, given the hash of what takes the place of the program's own operators or kernels.
pub(super) fn this_program(replacement: Option<&str>) -> Result<String, StorageError> {
    let own = Program::current()?.hash;
    Ok(replacement.map_or_else(|| own.clone(), |replacement| format!("{own} with {replacement}")))
}

impl Presence {
    /// This process.
    pub(super) fn here(rank: usize, world: usize, program: String, gpu: Option<RankGpu>) -> io::Result<Self> {
        let host = fs::read_to_string("/proc/sys/kernel/hostname")?.trim().to_owned();
        Ok(Self { rank, world, pid: process::id(), host, program, gpu })
    }
}
