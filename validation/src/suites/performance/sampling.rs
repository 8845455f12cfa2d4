//! Samples of one series, until enough is known.

use std::time::Duration;

use robocache_core::{
    operator::RunError,
    timing::{Series, Stopwatch},
};

use super::{
    conditions::{Conditions, Observer},
    statistics::Sorted,
};
use crate::{
    observation::{RatioFacts, SamplingEnd, SeriesFacts},
    suites::PerformanceSettings,
};

/// Calls until the warm-up is over, then takes samples until the settings say that it is enough. `clock` gives the time
/// since some moment.
pub(super) fn sample(
    stopwatch: &mut dyn Stopwatch,
    series: Series,
    settings: &PerformanceSettings,
    observer: &dyn Observer,
    clock: &dyn Fn() -> Duration,
) -> Result<SeriesFacts, RunError> {
    let begin = clock();
    while clock() - begin < Duration::from_millis(settings.warm_up_ms) {
        stopwatch.time_call(series)?;
        stopwatch.time_copy(series)?;
    }
    let begin = clock();
    let (mut calls, mut copies, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut discarded = 0;
    let mut conditions = Conditions::default();
    let mut throttled = conditions.look(observer);
    let ended = loop {
        let (call, copy) = (stopwatch.time_call(series)?, stopwatch.time_copy(series)?);
        let was_throttled = std::mem::replace(&mut throttled, conditions.look(observer));
        if was_throttled || throttled {
            discarded += 1;
        } else {
            calls.push(call);
            copies.push(copy);
            ratios.push(call / copy);
        }
        if let Some(ended) = end(settings, &ratios, discarded, clock() - begin) {
            break ended;
        }
    };
    let gpu = conditions.into_facts();
    Ok(match calls.is_empty() {
        true => SeriesFacts { gpu, ..nothing(series, discarded, ended) },
        false => {
            let calls = Sorted::new(calls);
            SeriesFacts {
                series,
                samples: ratios.len() as u64,
                discarded,
                ended,
                median_seconds: calls.median(),
                minimum_seconds: calls.minimum(),
                mean_seconds: calls.mean(),
                noise: calls.noise(),
                bytes_per_second: stopwatch.bytes_moved() as f64 / calls.median(),
                copy_seconds: Sorted::new(copies).median(),
                ratio: Sorted::new(ratios).interval(),
                gpu,
            }
        }
    })
}

/// Whether there are enough samples, and why.
fn end(settings: &PerformanceSettings, ratios: &[f64], discarded: u64, elapsed: Duration) -> Option<SamplingEnd> {
    let taken = ratios.len() as u64;
    let most = settings.most_samples.max(settings.samples);
    if discarded >= most {
        return Some(SamplingEnd::Throttled);
    }
    if taken < settings.samples {
        return None;
    }
    if Sorted::new(ratios.to_vec()).interval().reach() <= settings.noise {
        Some(SamplingEnd::Quiet)
    } else if taken >= most {
        Some(SamplingEnd::MostSamples)
    } else if elapsed >= Duration::from_millis(settings.series_ms) {
        Some(SamplingEnd::Time)
    } else {
        None
    }
}

/// A series of which every sample was discarded.
fn nothing(series: Series, discarded: u64, ended: SamplingEnd) -> SeriesFacts {
    SeriesFacts {
        series,
        samples: 0,
        discarded,
        ended,
        median_seconds: 0.0,
        minimum_seconds: 0.0,
        mean_seconds: 0.0,
        noise: 0.0,
        bytes_per_second: 0.0,
        copy_seconds: 0.0,
        ratio: RatioFacts { median: 0.0, low: 0.0, high: 0.0 },
        gpu: None,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use robocache_core::timing::WrongWhileTimed;

    use super::{super::conditions::Reading, *};

    /// Each call takes twice as long as the copy, and every other one a little longer than that.
    struct Scripted {
        calls: u64,
        copies: u64,
        unevenness: f64,
    }

    impl Stopwatch for Scripted {
        fn series(&self) -> &[Series] {
            &[Series::Hot]
        }

        fn bytes_moved(&self) -> u64 {
            1_000
        }

        fn sets(&self) -> usize {
            1
        }

        fn time_call(&mut self, _series: Series) -> Result<f64, RunError> {
            self.calls += 1;
            Ok(2.0 + self.unevenness * (self.calls % 2) as f64)
        }

        fn time_copy(&mut self, _series: Series) -> Result<f64, RunError> {
            self.copies += 1;
            Ok(1.0)
        }

        fn slow_down(&mut self, _fraction: f64) -> Result<(), RunError> {
            Err(RunError::Other("a script keeps to its times".to_owned()))
        }

        fn verify(&mut self) -> Result<Option<WrongWhileTimed>, RunError> {
            Ok(None)
        }
    }

    /// A GPU that is throttled at its first looks.
    struct Scene {
        throttled_looks: Cell<u64>,
    }

    impl Observer for Scene {
        fn look(&self) -> Option<Result<Reading, String>> {
            let left = self.throttled_looks.get();
            self.throttled_looks.set(left.saturating_sub(1));
            let throttled = if left > 0 { vec!["thermal"] } else { Vec::new() };
            Some(Ok(Reading { sm_mhz: 1000 + left.min(3) as u32, memory_mhz: 3000, temperature_c: 40, throttled }))
        }
    }

    const SETTINGS: PerformanceSettings = PerformanceSettings {
        samples: 10,
        most_samples: 50,
        noise: 0.01,
        series_ms: 1_000,
        warm_up_ms: 0,
        thresholds: Vec::new(),
    };

    /// Samples a scripted stopwatch, by a clock that goes on by a millisecond each time it is looked at.
    fn run(unevenness: f64, settings: &PerformanceSettings, throttled_looks: u64) -> (SeriesFacts, Scripted) {
        let mut stopwatch = Scripted { calls: 0, copies: 0, unevenness };
        let now = Cell::new(0);
        let clock = || {
            now.set(now.get() + 1);
            Duration::from_millis(now.get())
        };
        let scene = Scene { throttled_looks: Cell::new(throttled_looks) };
        (sample(&mut stopwatch, Series::Hot, settings, &scene, &clock).unwrap(), stopwatch)
    }

    #[test]
    fn quiet_samples_end_at_the_least_number() {
        let (facts, stopwatch) = run(0.0, &SETTINGS, 0);
        assert_eq!((facts.samples, facts.ended), (10, SamplingEnd::Quiet));
        assert_eq!((facts.ratio.median, facts.median_seconds, facts.bytes_per_second), (2.0, 2.0, 500.0));
        assert_eq!((stopwatch.calls, stopwatch.copies), (10, 10));
    }

    #[test]
    fn noisy_samples_end_at_the_most_or_when_the_time_is_over() {
        let (facts, _) = run(1.0, &SETTINGS, 0);
        assert_eq!((facts.samples, facts.ended), (50, SamplingEnd::MostSamples));
        let (facts, _) = run(1.0, &PerformanceSettings { series_ms: 20, ..SETTINGS }, 0);
        assert_eq!((facts.samples, facts.ended), (20, SamplingEnd::Time));
        // Never fewer than the least number, however little time there is.
        let (facts, _) = run(1.0, &PerformanceSettings { series_ms: 1, ..SETTINGS }, 0);
        assert_eq!(facts.samples, 10);
    }

    #[test]
    fn a_warm_up_is_called_and_not_counted() {
        let (facts, stopwatch) = run(0.0, &PerformanceSettings { warm_up_ms: 30, ..SETTINGS }, 0);
        assert_eq!(facts.samples, 10);
        assert!(stopwatch.calls > 30 && stopwatch.calls == stopwatch.copies, "{}", stopwatch.calls);
    }

    #[test]
    fn throttled_samples_are_discarded_counted_and_never_the_result() {
        let (facts, _) = run(0.0, &SETTINGS, 3);
        assert_eq!((facts.samples, facts.discarded), (10, 3));
        let (facts, _) = run(0.0, &SETTINGS, u64::MAX);
        assert_eq!((facts.samples, facts.discarded, facts.ended), (0, 50, SamplingEnd::Throttled));
        let Some(crate::evidence::Fact::Known(gpu)) = facts.gpu else { panic!("{:?}", facts.gpu) };
        assert_eq!((gpu.throttled, gpu.sm_mhz), (vec!["thermal".to_owned()], (1003, 1003)));
    }
}
