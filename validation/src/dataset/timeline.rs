//! Uniform target times in whole nanoseconds.

use super::{error::Fault, file::check_limit};

/// The most target times that one recording may be resampled to.
pub const TARGET_LIMIT: u64 = 1 << 22;

/// Offsets `round(k * 10^9 / rate)` nanoseconds for `k = 0, 1, 2, ...`.
///
/// Each is rounded by itself (halves upwards) from the exact value of the rate, so that the error never adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timeline {
    /// The period is `numerator / denominator` nanoseconds.
    numerator: u128,
    denominator: u128,
}

impl Timeline {
    /// A timeline at `rate_hz`, between 0.001 and 10^9.
    pub(super) fn new(rate_hz: f64) -> Result<Self, Fault> {
        if !(1e-3..=1e9).contains(&rate_hz) {
            return Err(Fault::WrongSpecification(format!(
                "`rate_hz` is {rate_hz}, but must be between 0.001 and 1e9"
            )));
        }
        // The rate is normal and positive: significand * 2^exponent, exactly.
        let bits = rate_hz.to_bits();
        let significand = bits & ((1 << 52) - 1) | 1 << 52;
        let exponent = (bits >> 52) as i32 - 1075 + significand.trailing_zeros() as i32;
        let significand = u128::from(significand >> significand.trailing_zeros());
        let nanoseconds_per_second = 1_000_000_000;
        Ok(if exponent < 0 {
            Self { numerator: nanoseconds_per_second << -exponent, denominator: significand }
        } else {
            Self { numerator: nanoseconds_per_second, denominator: significand << exponent }
        })
    }

    /// `k * period`, rounded to whole nanoseconds.
    ///
    /// For `k <= TARGET_LIMIT`: the product is below `2^23 * 2^30 * 2^62 * 2`, which a u128 holds.
    fn offset(self, k: u64) -> u128 {
        (2 * u128::from(k) * self.numerator + self.denominator) / (2 * self.denominator)
    }

    /// Every time `first + offset(k)` that is not later than `last`; none if `last` is earlier than `first`.
    pub(super) fn between(self, first: i64, last: i64) -> Result<Vec<i64>, Fault> {
        let Ok(span) = u128::try_from(i128::from(last) - i128::from(first)) else { return Ok(Vec::new()) };
        let mut targets = Vec::new();
        for k in 0.. {
            let offset = self.offset(k);
            if offset > span {
                break;
            }
            check_limit("target times", k + 1, TARGET_LIMIT)?;
            // At most `last`; and the limit times the longest period, 10^12 ns, is less than i64::MAX.
            targets.push(first + offset as i64);
        }
        Ok(targets)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_hundred_hertz_is_every_ten_milliseconds() {
        let targets = Timeline::new(100.0).unwrap().between(-5, 30_000_000).unwrap();
        assert_eq!(targets, [-5, 9_999_995, 19_999_995, 29_999_995]);
        assert_eq!(Timeline::new(100.0).unwrap().between(7, 7).unwrap(), [7]);
        assert!(Timeline::new(100.0).unwrap().between(7, 6).unwrap().is_empty());
    }

    #[test]
    fn thirds_of_a_second_do_not_drift() {
        let targets = Timeline::new(3.0).unwrap().between(0, 1_000_000_000_000).unwrap();
        assert_eq!(targets[..4], [0, 333_333_333, 666_666_667, 1_000_000_000]);
        assert_eq!(targets.last(), Some(&1_000_000_000_000));
        assert_eq!(targets.len(), 3001);
    }

    #[test]
    fn long_periods_and_the_widest_span_do_not_overflow() {
        let timeline = Timeline::new(f64::powi(2.0, -9)).unwrap();
        let last = i64::MIN + 4_000_000 * 512_000_000_000;
        let targets = timeline.between(i64::MIN, last).unwrap();
        assert_eq!((targets.first(), targets.last(), targets.len()), (Some(&i64::MIN), Some(&last), 4_000_001));
        assert_eq!(Timeline::new(1e-3).unwrap().between(i64::MIN, i64::MAX).unwrap_err().kind(), "too_large");
    }

    #[test]
    fn absurd_rates_are_refused() {
        for rate_hz in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-9, 1e10] {
            assert_eq!(Timeline::new(rate_hz).unwrap_err().kind(), "wrong_specification");
        }
        assert_eq!(Timeline::new(1e9).unwrap().between(0, i64::MAX).unwrap_err().kind(), "too_large");
    }

    proptest! {
        #[test]
        fn every_target_is_the_nearest_nanosecond(rate_hz in 1e-3..1e9_f64, k in 0..TARGET_LIMIT) {
            // |offset - k * 10^9 / rate| <= 1/2, in exact integers: rate = significand * 2^exponent.
            let timeline = Timeline::new(rate_hz).unwrap();
            prop_assert_eq!(timeline.numerator as f64 / timeline.denominator as f64, 1e9 / rate_hz);
            let (exact, rounded) = (2 * u128::from(k) * timeline.numerator, 2 * timeline.offset(k) * timeline.denominator);
            prop_assert!(exact.abs_diff(rounded) <= timeline.denominator);
        }
    }
}
