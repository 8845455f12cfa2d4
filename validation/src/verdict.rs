//! The judgement of facts: pure, and matched without a catch-all arm.

mod golden;
mod performance;
mod ranks;

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use self::{golden::judge_golden, performance::judge_performance, ranks::judge_ranks};
use crate::{
    cell::Cell,
    dataset::Expectation,
    observation::{
        AccuracyFacts, Death, DeterminismFacts, LaunchFacts, Observation, OperatorFailure, Outcome, RungFacts,
    },
    plan::SkipReason,
    suites::SuiteSettings,
};

/// What is said of a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// Everything held.
    Pass,
    /// The implementation under test is wrong.
    Fail {
        /// What does not hold, with the first differing element.
        reason: String,
    },
    /// The cell was not executed, and why.
    Skip {
        /// Why.
        reason: SkipReason,
    },
    /// It did not end in time.
    Timeout {
        /// The deadline that passed.
        deadline_ms: u64,
    },
    /// It took its process down, or would have.
    Crash {
        /// The signal's name, `panic` or `exit N`.
        cause: String,
        /// The end of what it printed.
        detail: String,
    },
    /// The harness or the data is at fault, not the implementation.
    Error {
        /// What went wrong.
        message: String,
    },
}

impl Verdict {
    /// The word that reports use.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail { .. } => "fail",
            Self::Skip { .. } => "skip",
            Self::Timeout { .. } => "timeout",
            Self::Crash { .. } => "crash",
            Self::Error { .. } => "error",
        }
    }

    /// Whether a run that holds this verdict has failed.
    pub const fn is_failure(&self) -> bool {
        match self {
            Self::Pass | Self::Skip { .. } => false,
            Self::Fail { .. } | Self::Timeout { .. } | Self::Crash { .. } | Self::Error { .. } => true,
        }
    }
}

/// Judges how the execution of a cell ended.
pub fn judge(cell: &Cell, outcome: &Outcome) -> Verdict {
    match outcome {
        Outcome::Observed(observation) => judge_observation(cell, observation),
        Outcome::Died(death) => judge_death(death),
        Outcome::DeadlineExceeded { deadline_ms, output_tail: _ } => Verdict::Timeout { deadline_ms: *deadline_ms },
        Outcome::HarnessFailed { message } => Verdict::Error { message: message.clone() },
    }
}

fn judge_observation(cell: &Cell, observation: &Observation) -> Verdict {
    match observation {
        Observation::Determinism(facts) => accepted(cell, judge_determinism(facts)),
        Observation::Accuracy(facts) => accepted(cell, judge_accuracy(facts)),
        Observation::LaunchCount(facts) => accepted(cell, judge_launches(cell, facts)),
        Observation::BackwardCompat(facts) => accepted(cell, judge_golden(cell, facts)),
        Observation::MultiGpu(facts) => accepted(cell, judge_ranks(cell, facts)),
        Observation::Performance(facts) => accepted(cell, judge_performance(&cell.suite, facts)),
        Observation::OperatorFailed(OperatorFailure { during, message, sticky: _ }) => {
            Verdict::Fail { reason: format!("returned an error during {during}: {message}") }
        }
        Observation::Panicked { message } => Verdict::Crash { cause: "panic".into(), detail: message.clone() },
        Observation::InputRejected { kind, message } => judge_rejection(cell, kind, message),
    }
}

fn judge_determinism(facts: &DeterminismFacts) -> Verdict {
    let Some(broken) = facts.rungs.iter().find(|rung| !rung.holds()) else {
        // The first run alone compares nothing: a ladder without a second rung must not look green.
        return match facts.rungs.len() {
            0 | 1 => Verdict::Error { message: "no rung was climbed, so nothing was compared".into() },
            _ => Verdict::Pass,
        };
    };
    let RungFacts { rung, .. } = broken;
    Verdict::Fail { reason: format!("broken at rung {rung}: {}", broken.defects().join("; ")) }
}

fn judge_accuracy(facts: &AccuracyFacts) -> Verdict {
    if facts.outputs.is_empty() {
        return Verdict::Error { message: "no output was compared".into() };
    }
    let defects = facts.defects();
    if defects.is_empty() { Verdict::Pass } else { Verdict::Fail { reason: defects.join("; ") } }
}

fn judge_launches(cell: &Cell, facts: &LaunchFacts) -> Verdict {
    let budget = match &cell.suite {
        SuiteSettings::LaunchCount(budget) => budget,
        SuiteSettings::Determinism(_)
        | SuiteSettings::Accuracy(_)
        | SuiteSettings::BackwardCompat(_)
        | SuiteSettings::MultiGpu(_)
        | SuiteSettings::Performance(_) => {
            return Verdict::Error { message: "launches were counted for a cell that has no budget".into() };
        }
    };
    let defects = facts.defects(budget);
    if defects.is_empty() { Verdict::Pass } else { Verdict::Fail { reason: defects.join("; ") } }
}

/// The cell's input was accepted; that must have been expected.
fn accepted(cell: &Cell, verdict: Verdict) -> Verdict {
    match &cell.expect {
        Expectation::Accepted => verdict,
        Expectation::Rejected(kind) => {
            Verdict::Fail { reason: format!("the input was accepted, but must be rejected as `{kind}`") }
        }
    }
}

fn judge_rejection(cell: &Cell, kind: &str, message: &str) -> Verdict {
    match &cell.expect {
        Expectation::Rejected(expected) if expected == kind => Verdict::Pass,
        Expectation::Rejected(expected) => Verdict::Fail {
            reason: format!("the input must be rejected as `{expected}`, but was as `{kind}`: {message}"),
        },
        Expectation::Accepted => Verdict::Error { message: message.to_owned() },
    }
}

fn judge_death(Death { signal, exit_code, output_tail }: &Death) -> Verdict {
    let cause = match (signal, exit_code) {
        (Some(number), _) => {
            Signal::try_from(*number).map_or_else(|_| format!("signal {number}"), |signal| signal.as_str().to_owned())
        }
        (None, Some(code)) => format!("exit {code}"),
        (None, None) => "unknown".to_owned(),
    };
    Verdict::Crash { cause, detail: output_tail.trim_end().to_owned() }
}

#[cfg(test)]
mod tests {
    use robocache_core::{
        census::{CallCensus, Census, GraphCensus, KernelLaunch},
        distribution::Distribution,
        dtype::DType,
        parameters::Parameters,
        random::Seed,
        tensor::GuardSide,
        tensor::GuardViolation,
    };

    use super::*;
    use crate::{
        cell::{Device, Input, Limits},
        suites::{AccuracySettings, LaunchCountSettings},
    };

    fn cell(expect: Expectation) -> Cell {
        Cell {
            name: "accuracy::resample::cpu::f32::b1::uniform".into(),
            suite: SuiteSettings::Accuracy(AccuracySettings { random_problems: 0 }),
            operator: "resample".into(),
            device: Device::Cpu,
            dtype: DType::F32,
            parameters: Parameters::default(),
            input: Input::Generated(Distribution::Uniform),
            seed: Seed::root(0),
            expect,
            limits: Limits { deadline_ms: 1, memory_bytes: None, fresh_process: false },
        }
    }

    fn rung(name: &str) -> RungFacts {
        RungFacts {
            rung: name.into(),
            runs: 1,
            elements: 0,
            differences: Vec::new(),
            broken_run: None,
            differing_hashes: Vec::new(),
            guard_violation: None,
            mutated_input: None,
        }
    }

    fn determinism(rungs: Vec<RungFacts>) -> Outcome {
        let facts = DeterminismFacts { output_hashes: Vec::new(), output_elements: 0, rungs };
        Outcome::Observed(Box::new(Observation::Determinism(facts)))
    }

    fn word(expect: Expectation, outcome: &Outcome) -> &'static str {
        judge(&cell(expect), outcome).word()
    }

    #[test]
    fn all_but_passes_and_skips_fail_a_run() {
        let text = String::new;
        for verdict in [Verdict::Pass, Verdict::Skip { reason: SkipReason::DatasetMissing("x".into()) }] {
            assert!(!verdict.is_failure(), "{verdict:?}");
        }
        for verdict in [
            Verdict::Fail { reason: text() },
            Verdict::Timeout { deadline_ms: 1 },
            Verdict::Crash { cause: text(), detail: text() },
            Verdict::Error { message: text() },
        ] {
            assert!(verdict.is_failure(), "{verdict:?}");
        }
    }

    #[test]
    fn a_ladder_passes_only_if_something_was_compared() {
        let accepted = Expectation::Accepted;
        assert_eq!(word(accepted.clone(), &determinism(vec![])), "error");
        assert_eq!(word(accepted.clone(), &determinism(vec![rung("first_run")])), "error");
        assert_eq!(word(accepted, &determinism(vec![rung("first_run"), rung("repeat")])), "pass");
    }

    #[test]
    fn the_first_broken_rung_is_named_with_its_defect() {
        let guard = GuardViolation { tensor: "y".into(), side: GuardSide::After, distance: 1 };
        let broken = RungFacts { guard_violation: Some(guard), ..rung("threads_3") };
        let verdict = judge(&cell(Expectation::Accepted), &determinism(vec![rung("first_run"), broken]));
        let Verdict::Fail { reason } = verdict else { panic!("{verdict:?}") };
        assert_eq!(reason, "broken at rung threads_3: `y`: byte 1 after the payload was overwritten");
    }

    #[test]
    fn launches_are_held_against_the_budget_of_the_cell() {
        let launch = KernelLaunch {
            name: "resample_f32_f32".into(),
            grid: [1, 1, 1],
            block: [32, 1, 1],
            dynamic_shared_bytes: 0,
            static_shared_bytes: 0,
            registers: 16,
        };
        let one = Census { kernels: vec![launch], ..Census::default() };
        let graph = GraphCensus::Captured { nodes: one.clone().into(), replay: one.clone().into() };
        let facts = LaunchFacts { cupti_version: 26, census: CallCensus { eager: one, graph } };
        let counted = Outcome::Observed(Box::new(Observation::LaunchCount(facts.into())));
        let budgeted = |launches| {
            let kernels = [("resample_*".to_owned(), launches)].into();
            let suite = SuiteSettings::LaunchCount(LaunchCountSettings { kernels, copies: 0, memsets: 0 });
            judge(&Cell { suite, ..cell(Expectation::Accepted) }, &counted)
        };
        assert_eq!(budgeted(1), Verdict::Pass);
        let Verdict::Fail { reason } = budgeted(2) else { panic!("{:?}", budgeted(2)) };
        assert_eq!(reason, "launches of `resample_*`: 1 (resample_f32_f32<<<1, 32>>>), budget 2");
        assert_eq!(word(Expectation::Accepted, &counted), "error");
    }

    #[test]
    fn every_way_to_lose_a_worker_has_its_verdict() {
        let death = |signal, exit_code| Outcome::Died(Death { signal, exit_code, output_tail: "last words\n".into() });
        let crash = |cause: &str| Verdict::Crash { cause: cause.into(), detail: "last words".into() };
        let cell = cell(Expectation::Accepted);
        assert_eq!(judge(&cell, &death(Some(6), None)), crash("SIGABRT"));
        assert_eq!(judge(&cell, &death(Some(11), None)), crash("SIGSEGV"));
        assert_eq!(judge(&cell, &death(None, Some(3))), crash("exit 3"));
        let late = Outcome::DeadlineExceeded { deadline_ms: 7, output_tail: String::new() };
        assert_eq!(judge(&cell, &late), Verdict::Timeout { deadline_ms: 7 });
    }

    #[test]
    fn a_rejection_is_right_only_where_it_was_expected() {
        let rejected = |kind: &str| {
            Outcome::Observed(Box::new(Observation::InputRejected { kind: kind.into(), message: "m".into() }))
        };
        let expected = Expectation::Rejected("truncated".into());
        assert_eq!(word(expected.clone(), &rejected("truncated")), "pass");
        assert_eq!(word(expected.clone(), &rejected("malformed")), "fail");
        assert_eq!(word(Expectation::Accepted, &rejected("truncated")), "error");
        let ran = determinism(vec![rung("first_run"), rung("repeat")]);
        assert_eq!(word(expected, &ran), "fail");
    }
}
