//! What each suite is told to do by the matrix.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cell::Device;

/// A suite with its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuiteSettings {
    /// The same bits in every way of running.
    Determinism(DeterminismSettings),
    /// The right values, within a derived bound.
    Accuracy(AccuracySettings),
    /// As few launches as budgeted, and nothing else.
    LaunchCount(LaunchCountSettings),
}

impl SuiteSettings {
    /// The name used in the matrix and in cell names.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Determinism(_) => "determinism",
            Self::Accuracy(_) => "accuracy",
            Self::LaunchCount(_) => "launch_count",
        }
    }

    /// Whether the suite has cells on this device.
    pub const fn runs_on(&self, device: Device) -> bool {
        match (self, device) {
            (Self::Determinism(_) | Self::Accuracy(_), Device::Cpu | Device::Cuda) => true,
            (Self::LaunchCount(_), Device::Cuda) => true,
            // There is nothing to launch.
            (Self::LaunchCount(_), Device::Cpu) => false,
        }
    }

    /// Fails if a setting's value would make a suite that cannot fail.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        match self {
            Self::Determinism(DeterminismSettings { repeats: 0, fresh_process: _ }) => {
                Err(InvalidSetting { setting: "repeats", rule: "it must be at least 1" })
            }
            // Whatever a budget says, a call that launches nothing does not pass.
            Self::Determinism(_) | Self::Accuracy(_) | Self::LaunchCount(_) => Ok(()),
        }
    }

    /// Whether this checks less than `other` does, which is the same suite.
    ///
    /// A new setting does not compile until it is said here which way it loosens.
    pub fn is_looser_than(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Determinism(this), Self::Determinism(other)) => {
                let DeterminismSettings { repeats, fresh_process } = this;
                repeats < &other.repeats || fresh_process < &other.fresh_process
            }
            (Self::Accuracy(this), Self::Accuracy(other)) => {
                let AccuracySettings { random_problems } = this;
                random_problems < &other.random_problems
            }
            (Self::LaunchCount(this), Self::LaunchCount(other)) => {
                let LaunchCountSettings { kernels, copies, memsets } = this;
                let budgeted = |pattern| other.kernels.get(pattern).copied().unwrap_or(0);
                let more_kernels = kernels.iter().any(|(pattern, &launches)| launches > budgeted(pattern));
                more_kernels || copies > &other.copies || memsets > &other.memsets
            }
            (Self::Determinism(_), Self::Accuracy(_) | Self::LaunchCount(_))
            | (Self::Accuracy(_), Self::Determinism(_) | Self::LaunchCount(_))
            | (Self::LaunchCount(_), Self::Determinism(_) | Self::Accuracy(_)) => true,
        }
    }
}

/// A setting with which its suite could not fail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{setting}`: {rule}")]
pub struct InvalidSetting {
    /// The setting's name.
    pub setting: &'static str,
    /// The rule that it breaks.
    pub rule: &'static str,
}

/// Settings of the determinism suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeterminismSettings {
    /// How often the plain run is repeated, with alternating poison in outputs and scratch memory.
    #[schemars(range(min = 1))]
    pub repeats: u64,
    /// Whether one run is made in a process of its own.
    #[serde(default)]
    pub fresh_process: bool,
}

/// Settings of the accuracy suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccuracySettings {
    /// How many problems of random extents are tried besides the cell's own, if its input is generated; a failing one is
    /// shrunk.
    #[serde(default)]
    pub random_problems: u32,
}

/// Settings of the launch_count suite: what one call must do, exactly. The matrix gives each cell its own, in `budgets`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LaunchCountSettings {
    /// Patterns of kernel names, and how many launches of kernels of such names there must be. A kernel that is named
    /// without `*` and `?` is not counted by any other pattern; one that no pattern matches is one too many.
    pub kernels: BTreeMap<String, u64>,
    /// How many copies there must be.
    pub copies: u64,
    /// How many memsets there must be.
    pub memsets: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_runs_are_looser_and_more_are_not() {
        let determinism =
            |repeats, fresh_process| SuiteSettings::Determinism(DeterminismSettings { repeats, fresh_process });
        assert!(determinism(19, true).is_looser_than(&determinism(20, true)));
        assert!(determinism(99, false).is_looser_than(&determinism(20, true)));
        assert!(!determinism(20, true).is_looser_than(&determinism(20, true)));
        assert!(!determinism(21, true).is_looser_than(&determinism(20, false)));
        let accuracy = |random_problems| SuiteSettings::Accuracy(AccuracySettings { random_problems });
        assert!(accuracy(0).is_looser_than(&accuracy(1)));
        assert!(!accuracy(1).is_looser_than(&accuracy(0)));
    }

    #[test]
    fn a_larger_budget_is_looser_and_so_is_a_new_pattern() {
        let budget = |kernels: &[(&str, u64)], copies, memsets| {
            let kernels = kernels.iter().map(|&(pattern, launches)| (pattern.to_owned(), launches)).collect();
            SuiteSettings::LaunchCount(LaunchCountSettings { kernels, copies, memsets })
        };
        let plain = budget(&[("a_*", 2)], 0, 1);
        for looser in [
            budget(&[("a_*", 3)], 0, 1),
            budget(&[("a_*", 2), ("b", 1)], 0, 1),
            budget(&[("*", 2)], 0, 1),
            budget(&[("a_*", 2)], 1, 1),
            budget(&[("a_*", 2)], 0, 2),
        ] {
            assert!(looser.is_looser_than(&plain), "{looser:?}");
        }
        for tighter in [plain.clone(), budget(&[("a_*", 1)], 0, 0), budget(&[], 0, 1)] {
            assert!(!tighter.is_looser_than(&plain), "{tighter:?}");
        }
    }

    #[test]
    fn a_suite_that_cannot_fail_is_refused() {
        let repeats = |repeats| SuiteSettings::Determinism(DeterminismSettings { repeats, fresh_process: true });
        assert_eq!(repeats(0).check().unwrap_err().setting, "repeats");
        assert_eq!(repeats(1).check(), Ok(()));
    }
}
