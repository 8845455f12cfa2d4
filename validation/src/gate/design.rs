//! How a gate measures and how it decides: fixed before anything is measured, and written beside the result.

use robocache_core::timing::Series;
use serde::{Deserialize, Serialize};

use super::protocol::Turn;
use crate::cell::Device;

/// The design of a gate run.
///
/// After the rounds of each look, every unit that can be decided is, and the others are measured further. Each look
/// gets an equal share of the probability of error, so that looking often does not raise it (Bonferroni).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Design {
    /// Decides the order of turns and the resamples.
    pub seed: u64,
    /// The slow-down that must be exceeded for certain before there is an alarm; 0.01 is 1 %.
    pub margin: f64,
    /// The slow-down that must be excluded for certain before a unit is called free of a regression.
    pub resolution: f64,
    /// The probability of a false alarm in a run, all units and looks together, and of a false `no regression` for a unit.
    pub error_level: f64,
    /// Rounds that a unit on the CPU has behind it at each look.
    pub cpu_rounds: Vec<usize>,
    /// The same on a GPU: making a context is slow there, and calls take almost equally long.
    pub cuda_rounds: Vec<usize>,
    /// Blocks in a round on the CPU.
    pub cpu_blocks: usize,
    /// Blocks in a round on a GPU.
    pub cuda_blocks: usize,
    /// Batches that count in a turn, at most.
    pub batches: usize,
    /// Milliseconds at the beginning of a turn on the CPU that do not count: the caches still hold what another process
    /// needed.
    pub cpu_warm_up_ms: u64,
    /// The same on a GPU, whose clocks fall while processes are being started.
    pub cuda_warm_up_ms: u64,
    /// Milliseconds after that after which no further batch begins, once there is one.
    pub measure_ms: u64,
}

impl Default for Design {
    /// Two programs that differ in nothing raise no alarm, and 3 % is seen, on two cores of a shared machine; see
    /// `cargo bench -p validation --bench gate`.
    fn default() -> Self {
        Self {
            seed: 1,
            margin: 0.01,
            resolution: 0.03,
            error_level: 0.005,
            cpu_rounds: vec![16, 32, 64],
            cuda_rounds: vec![5, 10, 20],
            cpu_blocks: 2,
            cuda_blocks: 4,
            batches: 6,
            cpu_warm_up_ms: 3,
            cuda_warm_up_ms: 20,
            measure_ms: 12,
        }
    }
}

impl Design {
    /// This design with an alarm beyond another slow-down, and with a resolution that is coarser or finer by as much.
    pub fn with_margin(self, margin: f64) -> Self {
        Self { margin, resolution: self.resolution * (margin / self.margin), ..self }
    }

    /// This design with one look, after `rounds` rounds on any device.
    pub fn with_one_look(self, rounds: usize) -> Self {
        Self { cpu_rounds: vec![rounds], cuda_rounds: vec![rounds], ..self }
    }

    /// Rounds at each look.
    pub fn rounds(&self, device: Device) -> &[usize] {
        match device {
            Device::Cpu => &self.cpu_rounds,
            Device::Cuda => &self.cuda_rounds,
        }
    }

    /// Blocks in a round.
    pub fn blocks(&self, device: Device) -> usize {
        match device {
            Device::Cpu => self.cpu_blocks,
            Device::Cuda => self.cuda_blocks,
        }
    }

    /// How one process measures when it is its turn.
    pub(super) const fn turn(&self, device: Device, series: Series) -> Turn {
        let warm_up_ms = match device {
            Device::Cpu => self.cpu_warm_up_ms,
            Device::Cuda => self.cuda_warm_up_ms,
        };
        Turn { series, warm_up_ms, measure_ms: self.measure_ms, batches: self.batches }
    }

    /// How often the data are judged at most.
    pub fn looks(&self) -> usize {
        self.cpu_rounds.len().max(self.cuda_rounds.len())
    }

    /// The probability of error that one look may spend.
    pub fn level_of_look(&self) -> f64 {
        self.error_level / self.looks() as f64
    }
}
