//! What each suite is told to do by the matrix.

use std::collections::BTreeMap;

use jiff::civil::Date;
use robocache_core::timing::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BACKWARD_COMPAT, MULTI_GPU, MultiGpuSettings};
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
    /// The bits of earlier releases.
    BackwardCompat(BackwardCompatSettings),
    /// Several ranks that do things together, each on a device of its own.
    MultiGpu(MultiGpuSettings),
    /// Time, beside a copy of as many bytes. It runs in benchmarks and in no other profile.
    Performance(PerformanceSettings),
}

impl SuiteSettings {
    /// The name used in the matrix and in cell names.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Determinism(_) => "determinism",
            Self::Accuracy(_) => "accuracy",
            Self::LaunchCount(_) => "launch_count",
            Self::BackwardCompat(_) => BACKWARD_COMPAT,
            Self::MultiGpu(_) => MULTI_GPU,
            Self::Performance(_) => "performance",
        }
    }

    /// Whether the suite has cells on this device.
    pub const fn runs_on(&self, device: Device) -> bool {
        match (self, device) {
            (
                Self::Determinism(_)
                | Self::Accuracy(_)
                | Self::BackwardCompat(_)
                | Self::MultiGpu(_)
                | Self::Performance(_),
                Device::Cpu | Device::Cuda,
            ) => true,
            (Self::LaunchCount(_), Device::Cuda) => true,
            // There is nothing to launch.
            (Self::LaunchCount(_), Device::Cpu) => false,
        }
    }

    /// Whether it measures time: it then runs in benchmarks only, and while no other cell runs. So it never shares a
    /// process with a suite that leaves something behind that takes time, as launch_count leaves CUPTI.
    pub const fn is_timed(&self) -> bool {
        match self {
            Self::Determinism(_)
            | Self::Accuracy(_)
            | Self::LaunchCount(_)
            | Self::BackwardCompat(_)
            | Self::MultiGpu(_) => false,
            Self::Performance(_) => true,
        }
    }

    /// Fails if a setting's value would make a suite that cannot fail.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        match self {
            Self::Determinism(DeterminismSettings { repeats: 0, fresh_process: _ }) => {
                Err(InvalidSetting { setting: "repeats", rule: "it must be at least 1" })
            }
            Self::Performance(settings) => settings.check(),
            Self::MultiGpu(settings) => settings.check(),
            // Whatever a budget says, a call that launches nothing does not pass; and what is approved must be there.
            Self::Determinism(_) | Self::Accuracy(_) | Self::LaunchCount(_) | Self::BackwardCompat(_) => Ok(()),
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
            (Self::BackwardCompat(this), Self::BackwardCompat(other)) => {
                let BackwardCompatSettings { changed_results, changed_inputs } = this;
                (changed_results.is_some() && other.changed_results.is_none())
                    || (changed_inputs.is_some() && other.changed_inputs.is_none())
            }
            (Self::MultiGpu(this), Self::MultiGpu(other)) => this.is_looser_than(other),
            (Self::Performance(this), Self::Performance(other)) => this.is_looser_than(other),
            (
                Self::Determinism(_),
                Self::Accuracy(_)
                | Self::LaunchCount(_)
                | Self::BackwardCompat(_)
                | Self::MultiGpu(_)
                | Self::Performance(_),
            )
            | (
                Self::Accuracy(_),
                Self::Determinism(_)
                | Self::LaunchCount(_)
                | Self::BackwardCompat(_)
                | Self::MultiGpu(_)
                | Self::Performance(_),
            )
            | (
                Self::LaunchCount(_),
                Self::Determinism(_)
                | Self::Accuracy(_)
                | Self::BackwardCompat(_)
                | Self::MultiGpu(_)
                | Self::Performance(_),
            )
            | (
                Self::BackwardCompat(_),
                Self::Determinism(_)
                | Self::Accuracy(_)
                | Self::LaunchCount(_)
                | Self::MultiGpu(_)
                | Self::Performance(_),
            )
            | (
                Self::MultiGpu(_),
                Self::Determinism(_)
                | Self::Accuracy(_)
                | Self::LaunchCount(_)
                | Self::BackwardCompat(_)
                | Self::Performance(_),
            )
            | (
                Self::Performance(_),
                Self::Determinism(_)
                | Self::Accuracy(_)
                | Self::LaunchCount(_)
                | Self::BackwardCompat(_)
                | Self::MultiGpu(_),
            ) => true,
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

/// Settings of the backward_compat suite: what was approved of a very cell. The matrix gives each cell its own, in
/// `approved`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackwardCompatSettings {
    /// The results may be others than those of the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_results: Option<Approval>,
    /// The generator may give other inputs than it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_inputs: Option<Approval>,
}

/// A change since a release that somebody wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Why.
    pub reason: String,
    /// The last day on which it holds.
    pub expires: Date,
    /// Whether there must be a change: an approval of nothing is stale. A library under test may not have made it.
    pub must_be_used: bool,
}

/// The fewest samples of which a confidence interval of the median is made: with fewer, the smallest and the largest
/// do not enclose it with 95 %.
const LEAST_SAMPLES: u64 = 6;

/// Settings of the performance suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PerformanceSettings {
    /// The fewest samples of each series. A sample is a batch of calls that lasts about a millisecond, and beside it one
    /// of copies.
    #[schemars(range(min = 6))]
    pub samples: u64,
    /// The most samples of each series, but never fewer than `samples`.
    pub most_samples: u64,
    /// Sampling ends when the 95 % confidence interval of the median ratio to the copy reaches no further than this to
    /// either side, as a fraction of that ratio.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub noise: f64,
    /// Milliseconds after which sampling of a series ends in any case, once it has `samples` samples.
    #[schemars(range(min = 1))]
    pub series_ms: u64,
    /// Milliseconds for which each series is called before its samples count.
    pub warm_up_ms: u64,
    /// The thresholds that are set for this very cell; none in the settings of the suite.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(skip)]
    pub thresholds: Vec<Threshold>,
}

/// What a cell's median ratio to the copy may be at the most.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// The series that is meant.
    pub series: Series,
    /// The largest ratio of the time of a call to that of a copy of as many bytes.
    pub at_most_of_copy: f64,
}

impl PerformanceSettings {
    fn check(&self) -> Result<(), InvalidSetting> {
        if self.samples < LEAST_SAMPLES {
            return Err(InvalidSetting { setting: "samples", rule: "it must be at least 6" });
        }
        if !(self.noise.is_finite() && self.noise > 0.0) {
            return Err(InvalidSetting { setting: "noise", rule: "it must be a positive number, such as 0.01" });
        }
        if self.series_ms == 0 {
            return Err(InvalidSetting { setting: "series_ms", rule: "it must be at least 1" });
        }
        if !self.thresholds.is_empty() {
            let rule = "thresholds stand beside the settings, with the cells that they are for";
            return Err(InvalidSetting { setting: "thresholds", rule });
        }
        Ok(())
    }

    /// Fewer samples and more noise are looser. Less time is not: it makes a threshold that cannot be told fail.
    fn is_looser_than(&self, other: &Self) -> bool {
        let Self { samples, most_samples: _, noise, series_ms: _, warm_up_ms, thresholds } = self;
        let is_kept = |threshold: &Threshold| thresholds.contains(threshold);
        *samples < other.samples
            || *noise > other.noise
            || *warm_up_ms < other.warm_up_ms
            || !other.thresholds.iter().all(is_kept)
    }
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

    fn performance() -> PerformanceSettings {
        PerformanceSettings {
            samples: 20,
            most_samples: 100,
            noise: 0.01,
            series_ms: 500,
            warm_up_ms: 10,
            thresholds: vec![Threshold { series: Series::Cold, at_most_of_copy: 1.05 }],
        }
    }

    #[test]
    fn noisier_samples_are_looser_and_less_time_is_not() {
        let looser = |change: fn(&mut PerformanceSettings)| {
            let mut changed = performance();
            change(&mut changed);
            SuiteSettings::Performance(changed).is_looser_than(&SuiteSettings::Performance(performance()))
        };
        assert!(looser(|settings| settings.samples = 19));
        assert!(looser(|settings| settings.noise = 0.02));
        assert!(looser(|settings| settings.warm_up_ms = 0));
        assert!(looser(|settings| settings.thresholds.clear()));
        assert!(!looser(|settings| settings.samples = 21));
        assert!(!looser(|settings| settings.series_ms = 1));
    }

    #[test]
    fn samples_of_which_no_interval_can_be_made_are_refused() {
        let fault = |change: fn(&mut PerformanceSettings)| {
            let mut changed = PerformanceSettings { thresholds: Vec::new(), ..performance() };
            change(&mut changed);
            SuiteSettings::Performance(changed).check().err().map(|invalid| invalid.setting)
        };
        assert_eq!(fault(|_| {}), None);
        assert_eq!(fault(|settings| settings.samples = 5), Some("samples"));
        assert_eq!(fault(|settings| settings.noise = 0.0), Some("noise"));
        assert_eq!(fault(|settings| settings.noise = f64::NAN), Some("noise"));
        assert_eq!(fault(|settings| settings.series_ms = 0), Some("series_ms"));
        assert_eq!(fault(|settings| settings.thresholds = performance().thresholds), Some("thresholds"));
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
