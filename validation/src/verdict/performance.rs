//! Times, held against the thresholds of their cell.

use super::Verdict;
use crate::{
    observation::{PerformanceFacts, RatioFacts, SeriesFacts},
    suites::{SuiteSettings, Threshold},
};

/// How a threshold fares.
enum Finding {
    /// The median is within it.
    Holds,
    /// The whole confidence interval is beyond it.
    Broken(String),
    /// The median is beyond it, and the interval is not: noise may be to blame.
    Ambiguous(String),
    /// There is no time to hold against it.
    Unmeasured(String),
}

/// A time without a threshold is a fact and passes. One whose outputs were wrong is worth nothing.
pub(super) fn judge_performance(suite: &SuiteSettings, facts: &PerformanceFacts) -> Verdict {
    let thresholds: &[Threshold] = match suite {
        SuiteSettings::Performance(settings) => &settings.thresholds,
        SuiteSettings::Determinism(_)
        | SuiteSettings::Accuracy(_)
        | SuiteSettings::LaunchCount(_)
        | SuiteSettings::BackwardCompat(_)
        | SuiteSettings::MultiGpu(_) => {
            return Verdict::Error { message: format!("times were observed by the suite `{}`", suite.name()) };
        }
    };
    if let Some(wrong) = &facts.wrong_output {
        return Verdict::Fail { reason: wrong.clone() };
    }
    let unmeasured = facts.series.iter().filter(|series| series.samples == 0).map(|series| {
        format!("series {}: the GPU was throttled beside each of {} samples", series.series, series.discarded)
    });
    let mut unclear: Vec<_> = unmeasured.collect();
    if facts.series.is_empty() {
        unclear.push("nothing was timed".to_owned());
    }
    let mut broken = Vec::new();
    for threshold in thresholds {
        match judge_threshold(threshold, facts) {
            Finding::Holds => {}
            Finding::Broken(reason) => broken.push(reason),
            Finding::Ambiguous(reason) | Finding::Unmeasured(reason) => unclear.push(reason),
        }
    }
    if !broken.is_empty() {
        Verdict::Fail { reason: broken.join("; ") }
    } else if !unclear.is_empty() {
        Verdict::Error { message: unclear.join("; ") }
    } else {
        Verdict::Pass
    }
}

fn judge_threshold(threshold: &Threshold, facts: &PerformanceFacts) -> Finding {
    let Threshold { series, at_most_of_copy: limit } = *threshold;
    let Some(measured) = facts.series.iter().find(|facts| facts.series == series) else {
        return Finding::Unmeasured(format!("series {series} has a threshold and was not measured"));
    };
    let SeriesFacts { samples, ratio: RatioFacts { median, low, high }, .. } = *measured;
    if samples == 0 {
        // Said already, for all of them.
        return Finding::Holds;
    }
    let ratio = format!("{median:.3} times the copy (95 % between {low:.3} and {high:.3}, {samples} samples)");
    if median <= limit {
        Finding::Holds
    } else if low > limit {
        Finding::Broken(format!("series {series} takes {ratio}, but may take {limit} at most"))
    } else {
        Finding::Ambiguous(format!(
            "AMBIGUOUS: series {series} takes {ratio}: too noisy to tell whether it is within {limit}; repeat it on a \
             quiet machine"
        ))
    }
}

#[cfg(test)]
mod tests {
    use robocache_core::timing::Series;

    use super::*;
    use crate::{
        observation::SamplingEnd,
        suites::{AccuracySettings, PerformanceSettings},
    };

    fn suite(thresholds: Vec<Threshold>) -> SuiteSettings {
        SuiteSettings::Performance(PerformanceSettings {
            samples: 10,
            most_samples: 20,
            noise: 0.01,
            series_ms: 100,
            warm_up_ms: 0,
            thresholds,
        })
    }

    fn facts(samples: u64, [low, median, high]: [f64; 3]) -> PerformanceFacts {
        let series = SeriesFacts {
            series: Series::Cold,
            samples,
            discarded: 3,
            ended: SamplingEnd::Quiet,
            median_seconds: 1e-3,
            minimum_seconds: 1e-3,
            mean_seconds: 1e-3,
            noise: 0.01,
            bytes_per_second: 1e9,
            copy_seconds: 1e-3,
            ratio: RatioFacts { median, low, high },
            gpu: None,
        };
        PerformanceFacts { bytes_moved: 1_000_000, sets: 4, series: vec![series], wrong_output: None }
    }

    fn judged(thresholds: &[f64], facts: &PerformanceFacts) -> Verdict {
        let threshold = |&at_most_of_copy: &f64| Threshold { series: Series::Cold, at_most_of_copy };
        judge_performance(&suite(thresholds.iter().map(threshold).collect()), facts)
    }

    #[test]
    fn without_a_threshold_a_time_passes() {
        assert_eq!(judged(&[], &facts(20, [9.0, 9.5, 10.0])), Verdict::Pass);
    }

    #[test]
    fn a_threshold_is_broken_only_beyond_the_noise_and_held_only_by_the_median() {
        let measured = facts(20, [1.04, 1.06, 1.08]);
        assert_eq!(judged(&[1.06], &measured), Verdict::Pass);
        let Verdict::Error { message } = judged(&[1.05], &measured) else { panic!("not ambiguous") };
        assert!(message.starts_with("AMBIGUOUS: series cold takes 1.060 times the copy"), "{message}");
        // A time that may just be within its threshold is not proven to be beyond it.
        assert_eq!(judged(&[1.04], &measured).word(), "error");
        let Verdict::Fail { reason } = judged(&[1.06, 1.03], &measured) else { panic!("not broken") };
        let expected = "series cold takes 1.060 times the copy (95 % between 1.040 and 1.080, 20 samples), but may take 1.03 at most";
        assert_eq!(reason, expected);
    }

    #[test]
    fn what_is_broken_fails_even_where_something_else_is_unclear() {
        assert_eq!(judged(&[1.05, 1.03], &facts(20, [1.04, 1.06, 1.08])).word(), "fail");
    }

    #[test]
    fn the_time_of_a_wrong_result_fails_however_short_it_is() {
        let wrong = PerformanceFacts { wrong_output: Some("`y` is wrong".into()), ..facts(20, [0.1, 0.1, 0.1]) };
        assert_eq!(judged(&[1.0], &wrong), Verdict::Fail { reason: "`y` is wrong".into() });
    }

    #[test]
    fn what_was_not_measured_is_not_green() {
        assert_eq!(judged(&[], &facts(0, [0.0; 3])).word(), "error");
        assert_eq!(judged(&[1.0], &facts(0, [0.0; 3])).word(), "error");
        assert_eq!(judged(&[], &PerformanceFacts { series: Vec::new(), ..facts(1, [1.0; 3]) }).word(), "error");
        let stream = Threshold { series: Series::Stream, at_most_of_copy: 9.0 };
        assert_eq!(judge_performance(&suite(vec![stream]), &facts(20, [1.0; 3])).word(), "error");
        let other = SuiteSettings::Accuracy(AccuracySettings { random_problems: 0 });
        assert_eq!(judge_performance(&other, &facts(20, [1.0; 3])).word(), "error");
    }
}
