//! From rounds to decisions.

use std::fmt;

use robocache_core::random::Seed;
use serde::{Deserialize, Serialize};

use super::{Estimate, Round, holm};
use crate::gate::Design;

/// What is concluded of one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The candidate is slower by more than the margin.
    Regression,
    /// The candidate is faster by more than the margin.
    Improvement,
    /// The candidate is not slower by as much as the resolution.
    NoRegression,
    /// Neither can be said.
    Ambiguous(Doubt),
}

/// Why nothing can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// The bounds are still too far apart after the last look.
    TooNoisy,
    /// The same program, measured twice, would have raised an alarm: this machine cannot be trusted now.
    ControlAlarm,
    /// A process that measured it died, hung or failed.
    NotMeasured,
}

impl fmt::Display for Decision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Regression => "REGRESSION",
            Self::Improvement => "improvement",
            Self::NoRegression => "no regression",
            Self::Ambiguous(Doubt::TooNoisy) => "AMBIGUOUS: too noisy",
            Self::Ambiguous(Doubt::ControlAlarm) => "AMBIGUOUS: A/A alarm",
            Self::Ambiguous(Doubt::NotMeasured) => "AMBIGUOUS: not measured",
        })
    }
}

/// What the rounds of a unit say by now.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Candidate over baseline.
    pub ratio: Estimate,
    /// Baseline over itself.
    pub control: Estimate,
    /// What follows; `None`: more rounds are needed.
    pub decision: Option<Decision>,
}

/// Whether a unit is still being measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Its rounds are complete up to this look.
    No,
    /// It was decided at an earlier look, by rounds that have not changed since; it still counts in the correction.
    Yes(Decision),
}

/// Judges all units of a run together after a look. Each has a name, its rounds (two at least) and whether it is settled.
pub fn judge(units: &[(&str, &[Round], Settled)], design: &Design, last_look: bool) -> Vec<Judgement> {
    let (slower, faster) = (1.0 + design.margin, 1.0 / (1.0 + design.margin));
    let level = design.level_of_look();
    let estimates: Vec<(Estimate, Estimate)> =
        units.iter().map(|(name, rounds, _)| estimate(name, rounds, design.seed)).collect();
    // One family of hypotheses for each kind of alarm.
    let rejected = |p_value: &dyn Fn(&(Estimate, Estimate)) -> f64| {
        holm::rejected(&estimates.iter().map(p_value).collect::<Vec<_>>(), level)
    };
    let regressions = rejected(&|(ratio, _)| ratio.p_value_above(slower));
    let improvements = rejected(&|(ratio, _)| ratio.p_value_below(faster));
    let controls_slower = rejected(&|(_, control)| control.p_value_above(slower));
    let controls_faster = rejected(&|(_, control)| control.p_value_below(faster));

    let decide = |index: usize| -> Option<Decision> {
        let (ratio, _) = estimates[index];
        if let Settled::Yes(decision) = units[index].2 {
            Some(decision)
        } else if controls_slower[index] || controls_faster[index] {
            Some(Decision::Ambiguous(Doubt::ControlAlarm))
        } else if regressions[index] {
            Some(Decision::Regression)
        } else if improvements[index] {
            Some(Decision::Improvement)
        } else if ratio.upper_bound(level) < 1.0 + design.resolution {
            Some(Decision::NoRegression)
        } else {
            last_look.then_some(Decision::Ambiguous(Doubt::TooNoisy))
        }
    };
    let judgements = estimates.iter().enumerate();
    judgements.map(|(index, &(ratio, control))| Judgement { ratio, control, decision: decide(index) }).collect()
}

fn estimate(name: &str, rounds: &[Round], seed: u64) -> (Estimate, Estimate) {
    let seed = Seed::root(seed).derive("gate::resamples").derive(name);
    let ratios: Vec<(f64, f64)> = rounds.iter().map(Round::log_ratios).collect();
    let controls: Vec<(f64, f64)> = rounds.iter().map(Round::control_log_ratio).map(|ratio| (ratio, ratio)).collect();
    (Estimate::new(&ratios, seed), Estimate::new(&controls, seed.derive("control")))
}
