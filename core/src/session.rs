//! A problem with its inputs in place, ready to be run in every legal way.
//!
//! The suites know this trait and nothing of CPUs or GPUs behind it.

use serde::{Deserialize, Serialize};

use crate::{
    cpu::{CpuOptions, InstructionSet},
    operator::RunError,
    tensor::{GuardViolation, HostTensor},
};

/// How one run differs from the plain one. Definition demands the same bits for every variation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Variation {
    /// Outputs poisoned with this byte, default stream and geometry, all threads, the best instruction set.
    Plain {
        /// The byte with which outputs and scratch memory are filled before the run.
        poison: u8,
    },
    /// Outputs and scratch memory keep what the previous run left there.
    Reused,
    /// CPU: this many threads.
    Threads(usize),
    /// CPU: this instruction set.
    Instructions(InstructionSet),
    /// CUDA: another stream than the one on which the inputs were uploaded.
    OtherStream,
    /// CUDA: captured into a graph and replayed.
    GraphReplay,
    /// CUDA: another grid and block size than the default; the number selects one of several.
    Geometry(u32),
}

/// What one run left behind.
pub struct RunOutcome {
    /// The outputs, in the problem's order.
    pub outputs: Vec<HostTensor>,
    /// A byte beside an input or output that was overwritten.
    pub guard_violation: Option<GuardViolation>,
    /// The first input whose payload is no longer what it was.
    pub mutated_input: Option<String>,
}

/// A repeated run that did not give the bits of the first.
pub struct BrokenRepeat {
    /// The number of the run, from 0.
    pub run: u64,
    /// What it gave.
    pub outcome: RunOutcome,
}

/// A problem and its inputs on one device.
pub trait Session {
    /// The variations that this device has, the plain one left out.
    fn variations(&self) -> Vec<Variation>;

    /// Runs once and brings the outputs to the host.
    fn run(&mut self, variation: Variation) -> Result<RunOutcome, RunError>;

    /// Runs `repeats` times with alternating poison, compares where the outputs lie, and ends at the first run whose
    /// outputs differ from `expected`.
    fn repeat(&mut self, repeats: u64, expected: &[HostTensor]) -> Result<Option<BrokenRepeat>, RunError>;
}

impl std::fmt::Display for Variation {
    /// The rung of the determinism ladder that this variation is.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plain { .. } => formatter.write_str("dirty_buffers"),
            Self::Reused => formatter.write_str("reused_buffers"),
            Self::Threads(threads) => write!(formatter, "threads_{threads}"),
            Self::Instructions(instructions) => write!(formatter, "instructions_{instructions}"),
            Self::OtherStream => formatter.write_str("other_stream"),
            Self::GraphReplay => formatter.write_str("graph_replay"),
            Self::Geometry(number) => write!(formatter, "geometry_{number}"),
        }
    }
}

/// The CPU options of a variation; those that mean nothing on a CPU are the default.
pub fn cpu_options(variation: Variation) -> CpuOptions {
    let default = CpuOptions::default();
    match variation {
        Variation::Threads(threads) => CpuOptions { threads, ..default },
        Variation::Instructions(instructions) => CpuOptions { instructions, ..default },
        Variation::Plain { .. }
        | Variation::Reused
        | Variation::OtherStream
        | Variation::GraphReplay
        | Variation::Geometry(_) => default,
    }
}
