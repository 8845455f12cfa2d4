//! Time axes of several kinds. Each sequence of a batch has its own generator.

use rand_chacha::{ChaCha8Rng, rand_core::Rng};
use rayon::prelude::*;

use super::{below, unit};
use crate::{distribution::Distribution, operators::times::Time, random::Seed};

/// The operations from which time axes are made.
pub(crate) trait TimeAxis: Time {
    /// Where recorded logs begin: nanoseconds since 1970, or seconds so large that an ULP is most of a sample period.
    const EPOCH: Self;
    /// The least value that is not infinite.
    const LEAST: Self;
    /// The largest value that is not infinite.
    const LARGEST: Self;
    /// The values beyond all others; equal to the finite ends where there are none.
    const ENDS: [Self; 2];

    /// A time in seconds.
    fn seconds(seconds: f64) -> Self;

    /// `ticks` later, where a tick is so chosen that sums of a few million are exact, and differences of them in f32.
    fn add_ticks(self, ticks: i64) -> Self;

    /// The time `steps` representable values later, at most the largest finite one.
    fn nudge(self, steps: i64) -> Self;

    /// `first + fraction * (last - first)`, rounded, and never NaN.
    fn along(first: Self, last: Self, fraction: f64) -> Self;

    /// This time and a number of seconds.
    fn later(self, seconds: f64) -> Self;

    /// The time of a recorded log's next sample: about a period later.
    fn recorded(previous: Self, generator: &mut ChaCha8Rng) -> Self;
}

/// The distance between samples of most axes.
const PERIOD_S: f64 = 0.01;

impl TimeAxis for f32 {
    // 2^16 s: neighbouring f32 are 2^-7 s apart, which still tells 100 Hz samples from each other, but no more.
    const EPOCH: Self = 65536.0;
    const LEAST: Self = Self::MIN;
    const LARGEST: Self = Self::MAX;
    const ENDS: [Self; 2] = [Self::NEG_INFINITY, Self::INFINITY];

    fn seconds(seconds: f64) -> Self {
        seconds as Self
    }

    fn add_ticks(self, ticks: i64) -> Self {
        // Where integers would no longer be exact, time stands still; equal times are legal.
        let later = self + ticks as Self;
        if later <= (1 << 24) as Self { later } else { self }
    }

    fn nudge(self, steps: i64) -> Self {
        // In this order of the integers, neighbours are neighbouring values, and both zeros are 0.
        let bits = i64::from(self.to_bits() & 0x7FFF_FFFF);
        let ordered = if self.is_sign_negative() { -bits } else { bits } + steps;
        let largest = i64::from(Self::MAX.to_bits());
        let ordered = ordered.clamp(-largest, largest);
        let magnitude = Self::from_bits(ordered.unsigned_abs() as u32);
        if ordered < 0 { -magnitude } else { magnitude }
    }

    fn along(first: Self, last: Self, fraction: f64) -> Self {
        let finite = |time: Self| f64::from(time.clamp(Self::MIN, Self::MAX));
        (finite(first) + (finite(last) - finite(first)) * fraction) as Self
    }

    fn later(self, seconds: f64) -> Self {
        (f64::from(self) + seconds) as Self
    }

    fn recorded(previous: Self, generator: &mut ChaCha8Rng) -> Self {
        previous.nudge(1 + below(generator, 4) as i64)
    }
}

impl TimeAxis for i64 {
    const EPOCH: Self = 1_700_000_000_000_000_000;
    const LEAST: Self = Self::MIN;
    const LARGEST: Self = Self::MAX;
    const ENDS: [Self; 2] = [Self::MIN, Self::MAX];

    fn seconds(seconds: f64) -> Self {
        (seconds * 1e9) as Self
    }

    fn add_ticks(self, ticks: i64) -> Self {
        self + (ticks << 20)
    }

    fn nudge(self, steps: i64) -> Self {
        self.saturating_add(steps)
    }

    fn along(first: Self, last: Self, fraction: f64) -> Self {
        let distance = (i128::from(last) - i128::from(first)) as f64 * fraction;
        let time = i128::from(first) + distance as i128;
        time.clamp(i128::from(Self::MIN), i128::from(Self::MAX)) as Self
    }

    fn later(self, seconds: f64) -> Self {
        self.saturating_add(Self::seconds(seconds))
    }

    fn recorded(previous: Self, generator: &mut ChaCha8Rng) -> Self {
        previous + 10_000_000 + below(generator, 200_001) as Self - 100_000
    }
}

/// Fills `times[B,S]`, each sequence in order.
pub(crate) fn fill_source_times<T: TimeAxis>(times: &mut [T], source: usize, distribution: Distribution, seed: Seed) {
    times.par_chunks_mut(source).enumerate().for_each(|(sequence, times)| {
        fill_sequence(times, distribution, &mut seed.block_generator(sequence as u64));
    });
}

fn fill_sequence<T: TimeAxis>(times: &mut [T], distribution: Distribution, generator: &mut ChaCha8Rng) {
    let start = T::seconds(2.0 * unit(generator) - 1.0);
    match distribution {
        Distribution::Uniform
        | Distribution::WideExponents
        | Distribution::CancellingPairs
        | Distribution::ClusteredCloud
        | Distribution::OneVoxel
        | Distribution::OutsideGrid => fill_jittered(times, generator),
        Distribution::SpecialValues => {
            fill_jittered(times, generator);
            if below(generator, 4) == 0 {
                let last = times.len() - 1;
                // In this order, so that a single sample is at the far end.
                times[0] = T::ENDS[0];
                times[last] = T::ENDS[1];
            }
        }
        Distribution::IntegerValued => {
            let mut time = T::add_ticks(T::seconds(0.0), below(generator, 2000) as i64 - 1000);
            for slot in times {
                *slot = time;
                // A power of two, so that the weight of every whole tick is dyadic.
                time = time.add_ticks(1 << below(generator, 4));
            }
        }
        Distribution::Midpoints => {
            let mut time = T::add_ticks(T::seconds(0.0), below(generator, 2000) as i64 - 1000);
            for slot in times {
                *slot = time;
                // Even, so that the middle is a whole tick.
                time = time.add_ticks(2 << below(generator, 4));
            }
        }
        Distribution::DuplicatedTimes => {
            let (mut run, mut tick) = (0, 0);
            for time in times {
                if run == 0 {
                    run = 1 + below(generator, 5);
                    tick += 1;
                }
                run -= 1;
                *time = start.later(f64::from(tick) * PERIOD_S);
            }
        }
        Distribution::ClusteredTimes => fill_bursts(times, start, generator),
        Distribution::EpochTimes => {
            let mut time = T::EPOCH.nudge(below(generator, 1000) as i64);
            for slot in times {
                *slot = time;
                time = T::recorded(time, generator);
            }
        }
    }
}

/// Evenly spaced, each sample up to half a period late.
fn fill_jittered<T: TimeAxis>(times: &mut [T], generator: &mut ChaCha8Rng) {
    let start = 2.0 * unit(generator) - 1.0;
    for (number, time) in times.iter_mut().enumerate() {
        *time = T::seconds(start + (number as f64 + 0.5 * unit(generator)) * PERIOD_S);
    }
}

/// Bursts of samples at most 3 representable values apart, and gaps of 1 to 2^10 seconds between them. Some sequences
/// begin and end at the ends of the finite range.
fn fill_bursts<T: TimeAxis>(times: &mut [T], start: T, generator: &mut ChaCha8Rng) {
    let mut time = start;
    for slot in times.iter_mut() {
        time = if below(generator, 8) == 0 {
            let seconds = (1_u64 << below(generator, 10)) as f64 * (1.0 + unit(generator));
            time.later(seconds)
        } else {
            time.nudge(below(generator, 4) as i64)
        };
        *slot = time;
    }
    if below(generator, 4) == 0 {
        let last = times.len() - 1;
        times[0] = T::LEAST;
        times[last] = T::LARGEST;
    }
}

/// Fills `targets[B,T]` for the streams whose source times are `streams`, each `[B,S]` with its `S`.
pub(crate) fn fill_target_times<T: TimeAxis>(
    targets: &mut [T],
    target: usize,
    streams: &[(&[T], usize)],
    distribution: Distribution,
    seed: Seed,
) {
    targets.par_chunks_mut(target.max(1)).enumerate().for_each(|(sequence, targets)| {
        let generator = &mut seed.block_generator(sequence as u64);
        let length = targets.len() as f64;
        for (number, time) in targets.iter_mut().enumerate() {
            let (times, source) = streams[below(generator, streams.len())];
            let knots = &times[sequence * source..][..source];
            let progress = (number as f64 + unit(generator)) / length;
            *time = draw_target(knots, progress, distribution, generator);
        }
    });
}

fn draw_target<T: TimeAxis>(knots: &[T], progress: f64, distribution: Distribution, generator: &mut ChaCha8Rng) -> T {
    let (first, last) = (knots[0], knots[knots.len() - 1]);
    let before = below(generator, knots.len());
    let (knot, next) = (knots[before], knots[(before + 1).min(knots.len() - 1)]);
    match distribution {
        // A steady clock that begins before the first sample and ends after the last, as an aligned log has.
        Distribution::Uniform
        | Distribution::WideExponents
        | Distribution::EpochTimes
        | Distribution::ClusteredCloud
        | Distribution::OneVoxel
        | Distribution::OutsideGrid
            if below(generator, 8) != 0 && first != last =>
        {
            T::along(first, last, 1.04 * progress - 0.02)
        }
        Distribution::CancellingPairs if below(generator, 8) != 0 => {
            T::along(knot, next, 0.5).nudge(below(generator, 5) as i64 - 2)
        }
        Distribution::Midpoints if below(generator, 8) != 0 => T::along(knot, next, 0.5),
        Distribution::IntegerValued => knot.add_ticks(below(generator, 12) as i64 - 2),
        Distribution::Uniform
        | Distribution::WideExponents
        | Distribution::EpochTimes
        | Distribution::ClusteredCloud
        | Distribution::OneVoxel
        | Distribution::OutsideGrid
        | Distribution::CancellingPairs
        | Distribution::Midpoints
        | Distribution::SpecialValues
        | Distribution::DuplicatedTimes
        | Distribution::ClusteredTimes => match generator.next_u32() % 16 {
            0..3 => knot,
            3 | 4 => knot.nudge(1),
            5 | 6 => knot.nudge(-1),
            7 => first.nudge(-(below(generator, 1 << 20) as i64)),
            8 => last.nudge(below(generator, 1 << 20) as i64),
            9 => T::ENDS[below(generator, 2)],
            10..=u32::MAX => T::along(knot, next, unit(generator)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: usize = 120;
    const TARGET: usize = 500;
    const BATCH: usize = 40;

    fn axes<T: TimeAxis>(distribution: Distribution) -> (Vec<T>, Vec<T>) {
        let mut times = vec![T::seconds(0.0); BATCH * SOURCE];
        fill_source_times(&mut times, SOURCE, distribution, Seed::root(1));
        let mut targets = vec![T::seconds(0.0); BATCH * TARGET];
        fill_target_times(&mut targets, TARGET, &[(&times, SOURCE)], distribution, Seed::root(2));
        (times, targets)
    }

    fn check_axes<T: TimeAxis>() {
        for &distribution in Distribution::ALL {
            let (times, targets) = axes::<T>(distribution);
            assert!(times.chunks(SOURCE).all(<[T]>::is_sorted), "{distribution}");
            let is_number = |time: &T| time.partial_cmp(time).is_some();
            assert!(targets.iter().all(is_number), "{distribution}");
            // Every search must meet targets before, on, between and after samples.
            let sequences = || times.chunks(SOURCE).zip(targets.chunks(TARGET));
            let some = |found: &dyn Fn(&[T], T) -> bool| {
                sequences().any(|(times, targets)| targets.iter().any(|&target| found(times, target)))
            };
            assert!(some(&|times, target| target < times[0]), "{distribution}: before");
            assert!(some(&|times, target| target > times[SOURCE - 1]), "{distribution}: after");
            assert!(some(&|times, target| times[1..SOURCE - 1].contains(&target)), "{distribution}: on");
            let between = |times: &[T], target| times.windows(2).any(|pair| pair[0] < target && target < pair[1]);
            assert!(some(&between), "{distribution}: between");
        }
    }

    #[test]
    fn every_axis_is_ordered_and_every_search_is_tried() {
        check_axes::<f32>();
        check_axes::<i64>();
    }

    #[test]
    fn times_are_what_their_distribution_says() {
        let (duplicated, _) = axes::<i64>(Distribution::DuplicatedTimes);
        assert!(duplicated.windows(2).filter(|pair| pair[0] == pair[1]).count() > duplicated.len() / 2);
        let (epoch, _) = axes::<i64>(Distribution::EpochTimes);
        assert!(epoch.iter().all(|time| *time >= 1_700_000_000_000_000_000));
        let (epoch, _) = axes::<f32>(Distribution::EpochTimes);
        assert!(epoch.chunks(SOURCE).all(|times| times.is_sorted_by(|left, right| left < right)));
        assert!(epoch.iter().all(|time| *time >= 65536.0));
        let (special, _) = axes::<f32>(Distribution::SpecialValues);
        assert!(special.contains(&f32::INFINITY) && special.contains(&f32::NEG_INFINITY));
        let (clustered, _) = axes::<f32>(Distribution::ClusteredTimes);
        let close = |pair: &[f32]| pair[0] < pair[1] && pair[1] <= pair[0].nudge(3);
        assert!(clustered.windows(2).filter(|pair| close(pair)).count() > clustered.len() / 3);
    }

    #[test]
    fn nudges_pass_zero_and_stop_at_the_ends() {
        assert_eq!(0.0_f32.nudge(-1).to_bits(), 0x8000_0001);
        assert_eq!(f32::from_bits(1).nudge(-2), -f32::from_bits(1));
        assert_eq!(f32::INFINITY.nudge(1), f32::MAX);
        assert_eq!(1.0_f32.nudge(1), 1.0_f32.next_up());
        assert_eq!(i64::MAX.nudge(1), i64::MAX);
    }

    #[test]
    fn whole_ticks_stay_exact_on_axes_of_millions_of_samples() {
        let mut times = vec![0.0_f32; 6_000_000];
        fill_source_times(&mut times, 6_000_000, Distribution::IntegerValued, Seed::root(3));
        assert!(times.iter().all(|time| time.fract() == 0.0 && *time <= 16_777_216.0));
        let dyadic = |pair: &[f32]| [0.0, 1.0, 2.0, 4.0, 8.0].contains(&(pair[1] - pair[0]));
        assert!(times.windows(2).all(dyadic));
    }
}
