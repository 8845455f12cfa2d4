//! A ratio of times, and how well it is known.

use robocache_core::random::Seed;
use serde::{Deserialize, Serialize};

use super::{bootstrap, student};

/// The logarithm of a ratio of times, estimated from rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The natural logarithm of the ratio: the trimmed mean over rounds.
    pub log_ratio: f64,
    /// Its standard error, from the bootstrap over rounds. 0 if all rounds say the same.
    pub standard_error: f64,
    /// Rounds less one.
    pub degrees: usize,
}

impl Estimate {
    /// From the log ratios of at least two rounds, two of each. `seed` decides which resamples are drawn.
    pub(super) fn new(log_ratios: &[(f64, f64)], seed: Seed) -> Self {
        assert!(log_ratios.len() >= 2, "one round says nothing of the spread of rounds");
        Self {
            log_ratio: bootstrap::location(log_ratios),
            standard_error: bootstrap::standard_error(log_ratios, &mut seed.generator()),
            degrees: log_ratios.len() - 1,
        }
    }

    /// The ratio itself.
    pub fn ratio(&self) -> f64 {
        self.log_ratio.exp()
    }

    /// The ratio is above this with a confidence of `1 - level`.
    pub fn lower_bound(&self, level: f64) -> f64 {
        (self.log_ratio - self.reach(level)).exp()
    }

    /// The ratio is below this with a confidence of `1 - level`.
    pub fn upper_bound(&self, level: f64) -> f64 {
        (self.log_ratio + self.reach(level)).exp()
    }

    /// How probable an estimate this high is at most, if the ratio is not above `ratio`.
    pub(super) fn p_value_above(&self, ratio: f64) -> f64 {
        self.p_value(self.log_ratio - ratio.ln())
    }

    /// How probable an estimate this low is at most, if the ratio is not below `ratio`.
    pub(super) fn p_value_below(&self, ratio: f64) -> f64 {
        self.p_value(ratio.ln() - self.log_ratio)
    }

    fn p_value(&self, excess: f64) -> f64 {
        if self.standard_error == 0.0 {
            return if excess > 0.0 { 0.0 } else { 1.0 };
        }
        student::upper_tail(excess / self.standard_error, self.degrees)
    }

    fn reach(&self, level: f64) -> f64 {
        student::quantile(level, self.degrees) * self.standard_error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ESTIMATE: Estimate = Estimate { log_ratio: 0.02, standard_error: 0.002, degrees: 11 };

    #[test]
    fn bounds_and_p_values_agree() {
        for level in [0.005, 0.05, 0.2] {
            assert!((ESTIMATE.p_value_above(ESTIMATE.lower_bound(level)) - level).abs() < 1e-9);
            assert!((ESTIMATE.p_value_below(ESTIMATE.upper_bound(level)) - level).abs() < 1e-9);
        }
        assert!(ESTIMATE.lower_bound(0.005) < ESTIMATE.ratio() && ESTIMATE.ratio() < ESTIMATE.upper_bound(0.005));
    }

    #[test]
    fn rounds_that_all_say_the_same_leave_no_doubt() {
        let estimate = Estimate::new(&[(0.03125, 0.03125); 5], Seed::root(3));
        assert_eq!((estimate.p_value_above(1.01), estimate.p_value_below(1.01)), (0.0, 1.0));
        assert_eq!(estimate.lower_bound(0.005), estimate.upper_bound(0.005));
    }
}
