//! What is written down: `mutants.jsonl`, a line for each trial as it ends, and `mutants.json`, the whole.

use serde::{Deserialize, Serialize};

use super::{Fate, Row};
use crate::{exit::Exit, verdict::Verdict};

/// The version of both files.
pub const FORMAT: u32 = 1;

/// One library taken through the suites once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// [`FORMAT`].
    pub format: u32,
    /// The mutant or control.
    pub name: String,
    /// Which time, from 0: each has other data.
    pub repeat: u32,
    /// BLAKE3 of the library, in hexadecimal.
    pub library_hash: String,
    /// What each suite said, each in a process of its own.
    pub suites: Vec<SuiteResult>,
    /// Since it started.
    pub elapsed_ms: f64,
}

/// What one suite said of one library.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuiteResult {
    /// The suite's name.
    pub suite: String,
    /// Cells that were executed: all, or as many as it took to find something.
    pub cells: u64,
    /// The first failure.
    pub alarm: Option<Alarm>,
    /// What the harness could not do; then nothing is known.
    pub error: Option<String>,
}

/// A failed cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// The cell's name.
    pub cell: String,
    /// What was said of it.
    pub verdict: Verdict,
    /// From the start of the suite's worker to the verdict, in milliseconds.
    pub detected_ms: f64,
}

impl Alarm {
    /// What was found, in a line or a few.
    pub fn reason(&self) -> String {
        match &self.verdict {
            Verdict::Pass | Verdict::Skip { .. } => self.verdict.word().to_owned(),
            Verdict::Fail { reason } => reason.clone(),
            Verdict::Timeout { deadline_ms } => format!("did not end within {deadline_ms} ms"),
            Verdict::Crash { cause, detail: _ } => format!("crashed: {cause}"),
            Verdict::Error { message } => message.clone(),
        }
    }
}

/// The detection matrix: `mutants.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectionRecord {
    /// [`FORMAT`].
    pub format: u32,
    /// Whose sources were changed: `cpu` or `cuda`.
    pub device: String,
    /// What compiled them.
    pub compiler: String,
    /// How often each mutant was run.
    pub repeats: u32,
    /// How often each control was run.
    pub control_repeats: u32,
    /// The suites that were run.
    pub suites: Vec<String>,
    /// Since the first compilation.
    pub elapsed_ms: f64,
    /// Mutants and controls, what is wrong first.
    pub rows: Vec<Row>,
}

impl DetectionRecord {
    /// The exit status that says what came of it.
    pub fn exit(&self) -> Exit {
        let has = |wanted: fn(&Fate) -> bool| self.rows.iter().any(|row| wanted(&row.fate));
        if has(Fate::is_failure) {
            Exit::Failed
        } else if has(Fate::is_unknown) {
            Exit::HarnessFailed
        } else {
            Exit::Passed
        }
    }

    /// The file's content.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("maps with string keys and finite numbers only");
        text.push('\n');
        text
    }
}
