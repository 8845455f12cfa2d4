//! How an operator uses the CPU.

use std::{sync::OnceLock, thread::available_parallelism};

use super::InstructionSet;

/// Threads and instructions for one call. Results never depend on either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuOptions {
    /// The most threads that may take part, the caller included; at least 1.
    pub threads: usize,
    /// The instruction set; an operator uses a narrower one where this CPU lacks it.
    pub instructions: InstructionSet,
}

impl Default for CpuOptions {
    /// Every core and the widest vectors of this machine.
    fn default() -> Self {
        // It reads files of the system each time, which takes longer than a small call.
        static CORES: OnceLock<usize> = OnceLock::new();
        let threads = *CORES.get_or_init(|| available_parallelism().map_or(1, usize::from));
        Self { threads, instructions: InstructionSet::best() }
    }
}
