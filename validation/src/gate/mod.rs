//! The regression gate: whether this program is slower than another one, on this machine and now.
//!
//! | step | in |
//! |---|---|
//! | find or build the baseline; refuse stored times | `baseline`, `stored` |
//! | start processes that `measure`, and talk to them with deadlines | `child`, `protocol`, `trio` |
//! | measure rounds of blocks in random order | `compare` |
//! | rounds to ratios with bounds, and decisions: pure | `statistics`, `unit` |
//! | the same, from the command line to `gate.json` | `command` |
//! | `gate.json`, and a table | `record`, `report` |
//!
//! Times of another day are never compared: interleaved measurements of two programs show a difference of one percent
//! on machines whose speed changes by ten within minutes.

mod baseline;
mod child;
mod command;
mod compare;
mod design;
mod error;
mod measure;
pub mod protocol;
mod record;
mod report;
pub mod statistics;
mod stored;
mod trio;
mod unit;

pub(crate) use self::command::command;
pub use self::{
    baseline::{Baseline, BaselineError},
    child::{ChildError, HelloError, Launch},
    compare::{Comparison, Progress},
    design::Design,
    error::{GateError, Who},
    measure::{MeasureError, serve},
    record::{Conclusion, FORMAT, GateRecord, GateRecordError},
    report::text,
    statistics::{Block, Decision, Doubt, Estimate, Judgement, Round, Turn},
    stored::StoredRun,
    trio::Programs,
    unit::Unit,
};

/// Compares two programs. `against` is what the baseline was given as, and `handicap` by which fraction the candidate is
/// slowed down; both are only written down. `progress` is called after each round.
pub fn run(
    comparison: &Comparison<'_>,
    against: &str,
    handicap: f64,
    progress: &mut dyn FnMut(Progress),
) -> Result<GateRecord, GateError> {
    let compared = compare::compare(comparison, progress)?;
    Ok(GateRecord {
        format: FORMAT,
        design: comparison.design.clone(),
        against: against.to_owned(),
        baseline: compared.hellos.baseline,
        candidate: compared.hellos.candidate,
        handicap,
        conclusion: Conclusion::of(&compared.units),
        units: compared.units,
    })
}
