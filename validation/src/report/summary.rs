//! What a run's records amount to.

use std::collections::BTreeMap;

use crate::{
    evidence::Record,
    observation::{Observation, Outcome},
    plan::SkipReason,
    verdict::Verdict,
};

/// How many cells of one kind got which verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Cells that passed.
    pub passed: u64,
    /// Cells whose implementation is wrong.
    pub failed: u64,
    /// Cells that did not end in time.
    pub timed_out: u64,
    /// Cells that took their process down.
    pub crashed: u64,
    /// Cells that the harness or their data kept from a verdict.
    pub errors: u64,
    /// Cells that were not executed.
    pub skipped: u64,
    /// Output elements that were compared with what they must be.
    pub elements: u64,
    /// The largest share of an error bound that any element used.
    pub fraction_of_bound: Option<f64>,
    /// Time spent in the cells, in milliseconds.
    pub elapsed_ms: f64,
}

impl Counts {
    /// Cells of any verdict but skip.
    pub fn executed(&self) -> u64 {
        self.passed + self.failures()
    }

    /// Cells whose verdict fails the run.
    pub fn failures(&self) -> u64 {
        self.failed + self.timed_out + self.crashed + self.errors
    }

    fn add(&mut self, record: &Record) {
        match &record.verdict {
            Verdict::Pass => self.passed += 1,
            Verdict::Fail { .. } => self.failed += 1,
            Verdict::Skip { .. } => self.skipped += 1,
            Verdict::Timeout { .. } => self.timed_out += 1,
            Verdict::Crash { .. } => self.crashed += 1,
            Verdict::Error { .. } => self.errors += 1,
        }
        self.elapsed_ms += record.elapsed_ms;
        let Some(Outcome::Observed(observation)) = &record.outcome else { return };
        match &**observation {
            Observation::Determinism(facts) => {
                self.elements += facts.rungs.iter().skip(1).map(|rung| rung.elements).sum::<u64>();
            }
            Observation::Accuracy(facts) => {
                for output in &facts.outputs {
                    self.elements += output.elements;
                    self.fraction_of_bound = larger(self.fraction_of_bound, output.max_fraction_of_bound);
                }
            }
            Observation::BackwardCompat(facts) => self.elements += facts.elements,
            Observation::MultiGpu(facts) => self.elements += facts.elements(),
            // Launches are counted, and no element is compared.
            Observation::LaunchCount(_) => {}
            // Its numbers have a table of their own.
            Observation::Performance(_) => {}
            Observation::OperatorFailed(_) | Observation::Panicked { .. } | Observation::InputRejected { .. } => {}
        }
    }
}

fn larger(left: Option<f64>, right: Option<f64>) -> Option<f64> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.max(right)),
        (one, None) | (None, one) => one,
    }
}

/// The key of a row of the summary.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowKey {
    /// The suite.
    pub suite: String,
    /// The operator.
    pub operator: String,
    /// The device.
    pub device: String,
}

/// A run in numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// By suite, operator and device.
    pub rows: BTreeMap<RowKey, Counts>,
    /// All cells.
    pub total: Counts,
    /// How many cells were skipped for each reason.
    pub skips: BTreeMap<SkipReason, u64>,
}

impl Summary {
    /// Adds up records.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut summary = Self::default();
        for record in records {
            let key = RowKey {
                suite: record.cell.suite.name().to_owned(),
                operator: record.cell.operator.clone(),
                device: record.cell.device.to_string(),
            };
            summary.rows.entry(key).or_default().add(record);
            summary.total.add(record);
            if let Verdict::Skip { reason } = &record.verdict {
                *summary.skips.entry(reason.clone()).or_default() += 1;
            }
        }
        summary
    }
}
