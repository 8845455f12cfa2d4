//! What a gate and the programs that it compares say to each other.
//!
//! JSON Lines over a socket that the measuring process has as its standard input; it takes the socket away from there
//! before it runs anything, so that nothing that the code under test prints can be mistaken for an answer.
//!
//! The process says [`Hello`] once, then answers each [`Request`] with one [`Answer`]. Programs of different releases talk to each
//! other here, so what a version means never changes: whatever is new is a new version.

use std::fmt;

use robocache_core::{dtype::DType, parameters::Parameters, random::Seed, timing::Series};
use serde::{Deserialize, Serialize};

use crate::{
    cell::{Cell, Device, Input},
    evidence::{Fact, Program, host::Host},
    protocol::Recording,
};

/// The version of the protocol that this program speaks.
pub const PROTOCOL: u32 = 1;

/// The longest line that either side reads, in bytes.
pub const LINE_LIMIT_BYTES: usize = 1 << 20;

/// Who measures, and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// The program.
    pub program: Program,
    /// BLAKE3 of its embedded image of CUDA kernels, in hexadecimal.
    pub kernel_image: Fact<String>,
    /// The machine.
    pub machine: MachineIdentity,
}

/// What tells one machine, as it runs now, from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineIdentity {
    /// The processor's name.
    pub cpu: Fact<String>,
    /// Logical processors that the process may use.
    pub logical_cpus: Fact<usize>,
    /// A number that the system draws when it starts, hashed: no two machines have the same.
    pub boot: Fact<String>,
}

/// The first line of every version. Only this is read of a version that is not known.
#[derive(Debug, Deserialize)]
pub(super) struct Version {
    pub(super) hello: VersionNumber,
}

#[derive(Debug, Deserialize)]
pub(super) struct VersionNumber {
    pub(super) protocol: u32,
}

/// From the gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Get ready to measure this. What was prepared before is given up.
    Prepare(Box<Subject>),
    /// Measure what was prepared.
    Measure(Turn),
    /// Compare what the measured calls computed with what they must.
    Verify,
}

/// What is measured: the part of a cell that says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// The operator's name in the registry.
    pub operator: String,
    /// Where it runs; on the first GPU that is visible.
    pub device: Device,
    /// The element type of the data.
    pub dtype: DType,
    /// The operator's arguments.
    pub parameters: Parameters,
    /// Where its inputs come from.
    pub input: Input,
    /// From which they are drawn.
    pub seed: Seed,
    /// A recorded input, with its file resolved.
    pub recording: Option<Recording>,
}

/// How one turn goes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// What is called, and what the caches hold.
    pub series: Series,
    /// Milliseconds during which batches do not count; one batch at least.
    pub warm_up_ms: u64,
    /// Milliseconds after that after which no further batch begins, once there is one.
    pub measure_ms: u64,
    /// The most batches.
    pub batches: usize,
}

/// From the measuring process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It can measure.
    Prepared {
        /// The series that the device has.
        series: Vec<Series>,
        /// BLAKE3 of each input, in hexadecimal: two programs are compared on the same data only.
        inputs: Vec<String>,
        /// UUID of the GPU; none on the CPU.
        gpu: Option<String>,
    },
    /// Seconds for one call, a number for each batch.
    Measured {
        /// At least one.
        seconds: Vec<f64>,
    },
    /// What the measured calls computed is right.
    Verified,
    /// It cannot do what was asked, for this reason.
    Refused {
        /// In words.
        reason: String,
    },
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Greeting {
    pub(super) hello: Hello,
}

impl Subject {
    /// What a cell says of it.
    pub fn new(cell: &Cell, recording: Option<Recording>) -> Self {
        Self {
            operator: cell.operator.clone(),
            device: cell.device,
            dtype: cell.dtype,
            parameters: cell.parameters.clone(),
            input: cell.input.clone(),
            seed: cell.seed,
            recording,
        }
    }
}

impl MachineIdentity {
    /// This machine.
    pub fn look() -> Self {
        const BOOT: &str = "/proc/sys/kernel/random/boot_id";
        let boot = std::fs::read(BOOT).map(|text| blake3::hash(&text).to_hex().to_string());
        let host = Host::look();
        Self {
            cpu: host.cpu,
            logical_cpus: host.logical_cpus,
            boot: Fact::new(boot.map_err(|error| format!("{BOOT}: {error}"))),
        }
    }
}

impl fmt::Display for MachineIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |fact: &Fact<String>| match fact {
            Fact::Known(text) => text.clone(),
            Fact::Missing { missing } => format!("unknown: {missing}"),
        };
        let cpus = known(&self.logical_cpus.clone().map(|number| number.to_string()));
        let boot: String = known(&self.boot).chars().take(8).collect();
        write!(formatter, "{}, {cpus} CPUs, started as {boot}", known(&self.cpu))
    }
}

/// A message as it travels.
pub(super) fn line(message: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("messages hold no maps but those with string keys");
    line.push(b'\n');
    line
}
