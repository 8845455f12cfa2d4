//! `gate.json`: everything that a comparison measured and concluded, so that it can be judged again.

use serde::{Deserialize, Serialize};

use super::{Decision, Design, Unit, protocol::Hello, unit};
use crate::exit::Exit;

/// The version of `gate.json`.
pub const FORMAT: u32 = 1;

/// What a comparison measured and concluded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateRecord {
    /// [`FORMAT`].
    pub format: u32,
    /// How it was measured and decided.
    pub design: Design,
    /// What was given with `--against`.
    pub against: String,
    /// The baseline.
    pub baseline: Hello,
    /// This program.
    pub candidate: Hello,
    /// By which fraction the candidate was slowed down on purpose.
    pub handicap: f64,
    /// How it ends.
    pub conclusion: Conclusion,
    /// What was compared.
    pub units: Vec<Unit>,
}

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum GateRecordError {
    /// It is damaged.
    #[error("gate.json is damaged: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A later version of this program wrote it.
    #[error("gate.json: format {0} is newer than {FORMAT}, the newest that this program reads")]
    Newer(u32),
}

/// What every version of the file has.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

/// What is concluded of all units together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Every unit is decided, and none became slower.
    NoRegression,
    /// At least one became slower.
    Regression,
    /// None became slower for certain, but of at least one nothing can be said.
    Ambiguous,
}

impl Conclusion {
    /// From the decisions of the units. One that is missing counts as ambiguous.
    pub(super) fn of(units: &[Unit]) -> Self {
        let decisions: Vec<Option<Decision>> = units.iter().map(Unit::decision).collect();
        let is_clear = |decision: &Option<Decision>| match decision {
            Some(Decision::NoRegression | Decision::Improvement | Decision::Regression) => true,
            Some(Decision::Ambiguous(_)) | None => false,
        };
        if decisions.contains(&Some(Decision::Regression)) {
            Self::Regression
        } else if !decisions.is_empty() && decisions.iter().all(is_clear) {
            Self::NoRegression
        } else {
            Self::Ambiguous
        }
    }

    /// The exit status that says so.
    pub const fn exit(self) -> Exit {
        match self {
            Self::NoRegression => Exit::Passed,
            Self::Regression => Exit::Failed,
            Self::Ambiguous => Exit::Ambiguous,
        }
    }
}

impl GateRecord {
    /// Judges the measurements again, with this design: by its own it comes to the same conclusion.
    pub fn judged_again(&self, design: &Design) -> Self {
        let mut units = self.units.clone();
        for unit in &mut units {
            unit.judgement = None;
        }
        for look in 0..design.looks() {
            unit::judge(&mut units, design, look);
        }
        Self { design: design.clone(), conclusion: Conclusion::of(&units), units, ..self.clone() }
    }

    /// From the file's content.
    pub fn from_json(text: &[u8]) -> Result<Self, GateRecordError> {
        let Version { format } = serde_json::from_slice(text)?;
        if format > FORMAT {
            return Err(GateRecordError::Newer(format));
        }
        Ok(serde_json::from_slice(text)?)
    }

    /// The file's content.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string(self).expect("maps with string keys and finite numbers only");
        text.push('\n');
        text
    }
}
