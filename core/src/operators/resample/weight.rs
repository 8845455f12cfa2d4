//! Where a target lies between two samples, for the reference: the real weight and the one that the definition rounds.

use crate::{
    dtype::Element,
    operators::exact::{is_f32, sum_is_exact},
};

/// A time as the reference reads it.
pub(crate) trait ReferenceTime: Element + PartialOrd {
    /// `later - earlier`.
    fn elapsed(later: Self, earlier: Self) -> Elapsed;
}

/// A difference of two times.
#[derive(Clone, Copy)]
pub(crate) struct Elapsed {
    /// The difference, with a relative error of at most 2^-53.
    real: f64,
    /// The difference rounded once to f32, as the definition takes it.
    rounded: f32,
    /// Whether the definition's rounding changed nothing.
    exact: bool,
}

impl ReferenceTime for f32 {
    fn elapsed(later: Self, earlier: Self) -> Elapsed {
        let (later, earlier) = (f64::from(later), f64::from(earlier));
        let real = later - earlier;
        // Rounding a sum of two f32 first to f64 and then to f32 is rounding it once: 53 >= 2 * 24 + 2
        // (Figueroa, "When is double rounding innocuous?", SIGNUM Newsletter 30(3), 1995).
        Elapsed { real, rounded: real as Self, exact: is_f32(real) && sum_is_exact(later, -earlier, real) }
    }
}

impl ReferenceTime for i64 {
    fn elapsed(later: Self, earlier: Self) -> Elapsed {
        let difference = i128::from(later) - i128::from(earlier);
        let rounded = difference as f32;
        Elapsed { real: difference as f64, rounded, exact: rounded as i128 == difference }
    }
}

/// The weight of the later of two samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weight {
    /// `(t - ts[i]) / (ts[i+1] - ts[i])`, with a relative error of at most 2^-51. Where a difference overflows f32
    /// the definition leaves the reals, and this is [`Weight::rounded`].
    pub(crate) real: f64,
    /// The weight that the definition computes in f32; NaN where infinite times make it one.
    pub(crate) rounded: f32,
    /// How many of the two differences and the division were rounded.
    pub(crate) roundings: u8,
}

impl Weight {
    /// The weight of a sample at `after` for a target at `time`, when the sample before is at `before`.
    pub(crate) fn new<T: ReferenceTime>(before: T, time: T, after: T) -> Self {
        let (part, whole) = (T::elapsed(time, before), T::elapsed(after, before));
        // The double rounding is innocuous for quotients as well (Figueroa).
        let rounded = (f64::from(part.rounded) / f64::from(whole.rounded)) as f32;
        if !(part.rounded.is_finite() && whole.rounded.is_finite()) {
            return Self { real: f64::from(rounded), rounded, roundings: 0 };
        }
        // A product of two f32 is exact in f64.
        let division_exact = f64::from(rounded) * f64::from(whole.rounded) == f64::from(part.rounded);
        let roundings = u8::from(!part.exact) + u8::from(!whole.exact) + u8::from(!division_exact);
        Self { real: part.real / whole.real, rounded, roundings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dyadic_weight_is_exact() {
        let weight = Weight::new(1.0_f32, 2.0, 5.0);
        assert_eq!((weight.real, weight.rounded, weight.roundings), (0.25, 0.25, 0));
        let epoch = 1_700_000_000_000_000_000_i64;
        let weight = Weight::new(epoch, epoch + 3, epoch + 4);
        assert_eq!((weight.real, weight.rounded, weight.roundings), (0.75, 0.75, 0));
    }

    #[test]
    fn each_rounding_is_counted() {
        // 1/3 rounds in the division alone; 2^24 + 1 rounds as a difference, in both places.
        assert_eq!(Weight::new(0.0_f32, 1.0, 3.0).roundings, 1);
        assert_eq!(Weight::new(0_i64, 1 << 20, (1 << 24) + 1).roundings, 1);
        assert_eq!(Weight::new(0_i64, (1 << 24) + 1, (1 << 26) + 1).roundings, 3 - 1);
        assert_eq!(Weight::new(0_i64, (1 << 24) + 1, 3 * ((1 << 26) + 1)).roundings, 3);
    }

    #[test]
    fn the_whole_range_of_i64_does_not_overflow() {
        let weight = Weight::new(i64::MIN, 0, i64::MAX);
        assert_eq!(weight.rounded, 0.5);
        assert!((weight.real - 0.5).abs() < 1e-15);
    }

    #[test]
    fn infinite_and_overflowing_times_follow_the_formula() {
        assert!(Weight::new(f32::NEG_INFINITY, 0.0, 1.0).rounded.is_nan());
        assert_eq!(Weight::new(0.0, 1.0, f32::INFINITY).rounded, 0.0);
        let overflow = Weight::new(-3e38_f32, 0.0, 3e38);
        assert_eq!((overflow.real, overflow.rounded), (0.0, 0.0));
    }
}
