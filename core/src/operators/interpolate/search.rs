//! From a target time to the samples around it.

use crate::operators::times::Time;

/// Where a target lies among the samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// On this sample, or past the end where this sample is the last: its value is copied.
    At(usize),
    /// Between this sample and the next, with the weight of the next.
    Between(usize, f32),
}

/// Source times a target is compared with before the walk becomes a binary search.
const STEPS: usize = 8;

/// Finds targets among the times of one sequence, fastest in ascending order.
///
/// The definition is the binary search of [`count_by_bisection`], also for times out of order, so that every
/// implementation reads the same samples. On times in order every correct search counts the same, and this one walks
/// forward from the previous target.
#[derive(Debug)]
pub(super) struct Cursor<'a, T> {
    times: &'a [T],
    /// Whether the times are known to be in order.
    ascending: bool,
    /// How many times were at or before the previous target.
    count: usize,
}

impl<'a, T: Time> Cursor<'a, T> {
    /// A cursor for about `targets` targets; `times` must not be empty.
    pub(super) fn new(times: &'a [T], targets: usize) -> Self {
        // Reading all times to learn their order must not cost more than the bisections that it saves.
        let worth_knowing = times.len() / 64 <= targets;
        Self { times, ascending: worth_knowing && is_ascending(times), count: 0 }
    }

    /// The place of `target`. NaN lies before the first sample.
    #[inline]
    pub(super) fn locate(&mut self, target: T) -> Place {
        let times = self.times;
        self.count = if self.ascending { self.walk(target) } else { count_by_bisection(times, target) };
        let Some(index) = self.count.checked_sub(1) else { return Place::At(0) };
        if index + 1 == times.len() || times[index] == target {
            return Place::At(index);
        }
        let weight = T::difference(target, times[index]) / T::difference(times[index + 1], times[index]);
        Place::Between(index, weight)
    }

    /// How many times are at or before `target`, counted on from the previous target.
    #[inline]
    fn walk(&self, target: T) -> usize {
        let mut count = self.count;
        if count > 0 && !at_or_before(self.times[count - 1], target) {
            return count_by_bisection(&self.times[..count - 1], target);
        }
        let near = self.times.len().min(count + STEPS);
        while count < near && at_or_before(self.times[count], target) {
            count += 1;
        }
        if count < near { count } else { count + count_by_bisection(&self.times[count..], target) }
    }
}

/// The one comparison of every search; false for NaN.
#[inline]
fn at_or_before<T: Time>(time: T, target: T) -> bool {
    time <= target
}

/// How many times are at or before `target`, if they are in order; some number up to `times.len()`, always the same,
/// if they are not.
fn count_by_bisection<T: Time>(times: &[T], target: T) -> usize {
    let (mut low, mut high) = (0, times.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if at_or_before(times[middle], target) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// Whether no time is less than the one before it and none is NaN (a single NaN aside, which every search treats
/// alike).
fn is_ascending<T: Time>(times: &[T]) -> bool {
    // Without an early exit, so that the compiler vectorises it.
    times.iter().zip(&times[1..]).fold(true, |ascending, (earlier, later)| ascending & (earlier <= later))
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, test_runner::RngSeed};

    use super::*;

    fn time() -> impl Strategy<Value = f32> {
        prop_oneof![
            8 => (-20_i8..20).prop_map(|step| f32::from(step) * 0.25),
            1 => Just(f32::NAN),
            1 => Just(f32::INFINITY),
            1 => Just(f32::NEG_INFINITY),
            1 => Just(-0.0_f32),
        ]
    }

    /// The place's bits: weights may be NaN.
    fn bits(place: Place) -> (usize, u32) {
        match place {
            Place::At(index) => (index, 2.0_f32.to_bits()),
            Place::Between(index, weight) => (index, weight.to_bits()),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: RngSeed::Fixed(1),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn the_walk_finds_what_bisection_finds(
            mut times in prop::collection::vec(time(), 1..60),
            targets in prop::collection::vec(time(), 1..60),
            sorted: bool,
        ) {
            if sorted {
                times.sort_by(f32::total_cmp);
            }
            let mut cursor = Cursor::new(&times, usize::MAX);
            for target in targets {
                let found = bits(cursor.locate(target));
                let mut bisecting = Cursor { times: &times, ascending: false, count: 0 };
                prop_assert_eq!(found, bits(bisecting.locate(target)));
                prop_assert_eq!(cursor.count, bisecting.count);
                prop_assert!(found.0 < times.len());
            }
        }
    }

    #[test]
    fn ends_clamp_knots_copy_and_the_last_duplicate_wins() {
        let times = [1_i64, 2, 2, 2, 4];
        let mut cursor = Cursor::new(&times, 10);
        assert_eq!(cursor.locate(i64::MIN), Place::At(0));
        assert_eq!(cursor.locate(1), Place::At(0));
        assert_eq!(cursor.locate(2), Place::At(3));
        assert_eq!(cursor.locate(3), Place::Between(3, 0.5));
        assert_eq!(cursor.locate(4), Place::At(4));
        assert_eq!(cursor.locate(i64::MAX), Place::At(4));
        assert_eq!(cursor.locate(0), Place::At(0));
    }

    #[test]
    fn the_span_of_all_i64_is_interpolated() {
        let times = [i64::MIN, i64::MAX];
        assert_eq!(Cursor::new(&times, 1).locate(0), Place::Between(0, 0.5));
    }
}
