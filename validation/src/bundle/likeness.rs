//! Whether what came back is what went in.

use std::fmt;

use super::{
    manifest::Manifest,
    tensors::{Role, TensorEntry},
    way::way,
};
use crate::{
    exit::Exit,
    observation::{Observation, Outcome},
    verdict::Verdict,
};

/// What a replay says of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// It fails in the same way, and every output has the bits that it had.
    SameBits,
    /// It still fails, but not like that.
    OtherBits,
    /// It does not fail any more.
    PassesNow,
}

impl Likeness {
    /// How the program ends: as `git bisect run` wants it, 0 is good and everything else here is bad.
    pub const fn exit(self) -> Exit {
        match self {
            Self::SameBits => Exit::Failed,
            Self::OtherBits => Exit::OtherBits,
            Self::PassesNow => Exit::Passed,
        }
    }
}

impl fmt::Display for Likeness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::SameBits => "same bits",
            Self::OtherBits => "still fails, other bits",
            Self::PassesNow => "passes now",
        })
    }
}

/// Compares what came of a replay, and the tensors that its suite saw, with what the bundle says. Where outputs were
/// kept, their hashes decide; where the cell gave none, because it crashed, say, the way in which it failed does.
pub fn compare(manifest: &Manifest, outcome: &Outcome, verdict: &Verdict, entries: &[TensorEntry]) -> Likeness {
    match verdict {
        Verdict::Pass | Verdict::Skip { .. } => return Likeness::PassesNow,
        Verdict::Fail { .. } | Verdict::Timeout { .. } | Verdict::Crash { .. } | Verdict::Error { .. } => {}
    }
    let (then, now) = (outputs(&manifest.tensors, &manifest.outcome), outputs(entries, outcome));
    let same_kind = manifest.verdict.word() == verdict.word();
    let same_way = way(&manifest.outcome, &manifest.verdict) == way(outcome, verdict);
    // A count is a fact without a tensor: there the numbers in the message are what matters.
    let same_way = same_way && (!is_count(&manifest.outcome) || manifest.verdict == *verdict);
    // The rungs of a ladder have other names on a machine of other threads.
    let alike = if then.is_empty() { same_way } else { same_kind };
    if alike && then == now { Likeness::SameBits } else { Likeness::OtherBits }
}

/// What a worker observed, if it lived to say so.
fn observed(outcome: &Outcome) -> Option<&Observation> {
    match outcome {
        Outcome::Observed(observation) => Some(observation),
        Outcome::Died(_) | Outcome::DeadlineExceeded { .. } | Outcome::HarnessFailed { .. } => None,
    }
}

fn is_count(outcome: &Outcome) -> bool {
    matches!(observed(outcome), Some(Observation::LaunchCount(_)))
}

fn is_ladder(outcome: &Outcome) -> bool {
    matches!(observed(outcome), Some(Observation::Determinism(_)))
}

/// What runs gave: nothing where the worker did not live to show it. A ladder holds two runs against each other, and
/// either may be the wrong one; elsewhere a reference says what is expected.
fn outputs<'a>(entries: &'a [TensorEntry], outcome: &Outcome) -> Vec<(Role, &'a str, &'a str)> {
    let both = is_ladder(outcome) && entries.iter().any(|entry| entry.role == Role::Actual);
    let is_of_a_run = |entry: &&TensorEntry| match entry.role {
        Role::Input => false,
        Role::Expected => both,
        Role::Actual => true,
    };
    let of_runs = entries.iter().filter(is_of_a_run);
    of_runs.map(|entry| (entry.role, entry.name.as_str(), entry.blake3.as_str())).collect()
}
