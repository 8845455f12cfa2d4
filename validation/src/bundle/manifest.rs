//! What a bundle says besides its tensors.

use robocache_core::registry::Registry;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    error::Flaw,
    subject::SubjectIdentity,
    tensors::{PROBLEM_LIMIT_BYTES, Role, TensorEntry, check_entries},
};
use crate::{
    cell::{Cell, Device, Input},
    evidence::{Environment, Fact},
    observation::Outcome,
    suites::SuiteSettings,
    verdict::Verdict,
};

/// The version of a bundle.
pub const VERSION: u32 = 1;

/// The metadata key of a bundle.
pub(super) const KEY: &str = "bundle";

/// The longest deadline that is believed: a day.
const DEADLINE_LIMIT_MS: u64 = 24 * 3600 * 1000;

/// A failing cell, and everything known of its failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The cell as its matrix made it.
    pub cell: Cell,
    /// What is replayed: the cell itself, or what a suite or a minimisation narrowed it to. It keeps the cell's name.
    pub replay: Cell,
    /// The shared library that was under test; `null` if the operators were those of the program.
    pub subject: Option<SubjectIdentity>,
    /// BLAKE3 of the file of CUDA kernels that was run in the place of those of the program, in hexadecimal; left out in
    /// JSON where the program's own kernels ran, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernels: Option<String>,
    /// 1 for the first execution in its run.
    pub attempt: u32,
    /// The judgement of the facts.
    pub verdict: Verdict,
    /// The facts.
    pub outcome: Outcome,
    /// Program, kernels, machine and invocation: the `environment.json` of its run.
    pub environment: Environment,
    /// BLAKE3 of the bundle that this one was made from by minimising it, in hexadecimal.
    pub minimized_from: Option<String>,
    /// Its tensors: inputs in the problem's order, then expected and actual outputs.
    pub tensors: Vec<TensorEntry>,
}

#[derive(Deserialize)]
struct Framed<'text> {
    version: u64,
    checksum: &'text str,
    #[serde(borrow)]
    manifest: &'text RawValue,
}

/// What every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

impl Manifest {
    /// The text under [`KEY`]: version, checksum and manifest.
    pub(super) fn to_text(&self) -> Result<String, Flaw> {
        let body = serde_json::to_string(self).map_err(|error| Flaw::Malformed(error.to_string()))?;
        let text = frame(VERSION.into(), &body);
        // A fact that JSON cannot hold, such as an infinity, must not make a bundle that nobody can read.
        Self::from_text(&text)?;
        Ok(text)
    }

    /// Reads and verifies such a text.
    pub(super) fn from_text(text: &str) -> Result<Self, Flaw> {
        let malformed = |error: serde_json::Error| Flaw::Malformed(format!("its manifest: {error}"));
        let framed: Framed<'_> = match serde_json::from_str(text) {
            Ok(framed) => framed,
            // Another version may have another form.
            Err(error) => return Err(newer(text).unwrap_or_else(|| malformed(error))),
        };
        // Like the lines of the record log: the bytes must be exactly those that were written.
        let (version, body) = (framed.version, framed.manifest.get());
        let is_of = |version| framed.checksum == checksum(version, body).to_hex().as_str();
        // A damaged version number is damage, not a newer version: the rest still proves what it was.
        if version > VERSION.into() && !is_of(VERSION.into()) {
            return Err(Flaw::Newer { found: version });
        }
        if !is_of(version) || frame(version, body) != text {
            return Err(Flaw::Altered("the checksum of its manifest does not match".to_owned()));
        }
        let manifest: Self = serde_json::from_str(body).map_err(malformed)?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), Flaw> {
        let (cell, replay) = (&self.cell, &self.replay);
        if (&replay.name, &replay.operator, replay.device) != (&cell.name, &cell.operator, cell.device) {
            return Err(Flaw::absurd("what is replayed", &replay.name, "it must be of the same cell"));
        }
        // Whoever reads either must be told the same.
        if self.subject != self.environment.subject.as_ref().map(SubjectIdentity::from) {
            return Err(Flaw::absurd("the shared library", "another one", "it must be that of the environment"));
        }
        let is_image = |hash: &String| self.environment.kernel_image == Fact::Known(hash.clone());
        if self.kernels.as_ref().is_some_and(|hash| cell.device != Device::Cuda || !is_image(hash)) {
            return Err(Flaw::absurd(
                "the file of kernels",
                "another one",
                "it must be the environment's, of a CUDA cell",
            ));
        }
        let deadline_ms = replay.limits.deadline_ms;
        if deadline_ms > DEADLINE_LIMIT_MS {
            return Err(Flaw::absurd("the deadline in milliseconds", deadline_ms, "a day is the most"));
        }
        check_entries(&self.tensors, is_regenerable(replay))
    }

    /// Fails unless this program can make the problem, and it takes tensors like those of the bundle.
    pub(super) fn check_problem(&self, registry: &Registry, memory_bytes: &Fact<u64>) -> Result<(), Flaw> {
        let replay = &self.replay;
        if replay.input == Input::Pattern {
            // There is no operator: the ranks make their data, of a size that the matrix bounds.
            return match &replay.suite {
                SuiteSettings::MultiGpu(settings) => settings.check_joint().map_err(Flaw::Foreign),
                suite => Err(Flaw::Foreign(format!("the suite `{}` takes no patterns", suite.name()))),
            };
        }
        let operator = registry
            .get(&replay.operator)
            .ok_or_else(|| Flaw::Foreign(format!("it knows no operator `{}`", replay.operator)))?;
        let problem = operator
            .problem(replay.dtype, &replay.parameters)
            .map_err(|error| Flaw::Foreign(format!("its problem is impossible here: {error}")))?;
        let (inputs, outputs) = (problem.inputs(), problem.outputs());
        let bytes = inputs.iter().chain(&outputs).fold(0_usize, |sum, spec| sum.saturating_add(spec.bytes()));
        if bytes > PROBLEM_LIMIT_BYTES {
            return Err(Flaw::absurd("the size of the problem in bytes", bytes, "2^36 is the most that is replayed"));
        }
        if let Fact::Known(memory_bytes) = memory_bytes
            && bytes as u64 > *memory_bytes
        {
            return Err(Flaw::Foreign(format!("its problem has {bytes} bytes, and this machine {memory_bytes}")));
        }
        let held: Vec<&TensorEntry> = self.tensors.iter().filter(|entry| entry.role == Role::Input).collect();
        let fits = held.len() == inputs.len()
            && held
                .iter()
                .zip(&inputs)
                .all(|(entry, spec)| (entry.dtype, &*entry.shape) == (spec.dtype, spec.shape.extents()));
        if !held.is_empty() && !fits {
            return Err(Flaw::Foreign("its inputs are not of the shapes that the problem takes here".to_owned()));
        }
        Ok(())
    }
}

/// Whether a seed gives the inputs of this cell back.
pub(super) fn is_regenerable(cell: &Cell) -> bool {
    match cell.input {
        Input::Generated(_) | Input::Pattern => true,
        // The seed gives the inputs of a golden back, but not its results, and that only as long as the generator is as
        // it was.
        Input::Recorded(_) | Input::Golden(_) => false,
    }
}

/// The version of a text that is of no form of ours, if it is of a later one.
fn newer(text: &str) -> Option<Flaw> {
    let Versioned { version } = serde_json::from_str(text).ok()?;
    (version > VERSION.into()).then_some(Flaw::Newer { found: version })
}

fn frame(version: u64, body: &str) -> String {
    format!(r#"{{"version":{version},"checksum":"{}","manifest":{body}}}"#, checksum(version, body))
}

fn checksum(version: u64, body: &str) -> blake3::Hash {
    blake3::hash(format!("{version} {body}").as_bytes())
}
