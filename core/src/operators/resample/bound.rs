//! How far the definition of `resample` may be from the real interpolation, before its last rounding.
//!
//! Notation: `u = 2^-24` is the unit roundoff of f32 and `h = 2^-150` half its smallest subnormal, so that a product
//! or quotient `z` is computed as `z (1 + d) + e` with `|d| <= u`, `|e| <= h`, and a sum or difference as `z (1 + d)`
//! (Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition, section 2.2 and equation 2.8). A hat marks
//! what is computed in f32. The real result is `y = x0 (1 - w) + x1 w`.
//!
//! 1. **Weight.** `w = (t - a) / (b - a)`, in which each difference is rounded once (f32 subtraction; exact u64
//!    difference rounded to f32) and the quotient once. With `k` roundings that were not exact,
//!    `|w^ - w| <= g_k w + h` with `g_k = k u / (1 - k u)` (Higham, lemma 3.1), and `w^ = w` when `k = 0`.
//! 2. **Complement.** `m^ = fl(1 - w^)`. For `w^ >= 1/2` it is exact (Sterbenz). Below, `1 - w^` lies in `(1/2, 1]`,
//!    where f32 values are `2^-24` apart: `|m^ - (1 - w^)| <= u/2`. Call that error `c`.
//! 3. **Products.** `p^ = x0 m^ (1 + d2) + e2` and `q^ = x1 w^ (1 + d3) + e3`.
//! 4. Subtracting `y = x0 (1 - w) + x1 w` from `p^ + q^`, with no term dropped:
//!    `|p^ + q^ - y| <= |x1 - x0| |w^ - w| + |x0| c + u (|x0| m^ + |x1| w^) + 2 h =: E`.
//! 5. **Sum.** For f32 the rounding of `p^ + q^` is the last one, and the bound is `E`. For f16 and bf16 the sum is
//!    rounded to f32 first: the bound is `E + u (|y| + E)`.
//!
//! Where no step rounds, the definition *is* the real result and the bound is 0.

use crate::operators::{
    exact::{is_f32, sum_is_exact},
    resample::weight::Weight,
};

/// `u`: half the distance between 1 and the next f32.
const UNIT_ROUNDOFF: f64 = 1.0 / (1_u64 << 24) as f64;

/// `h`: half the smallest subnormal f32, `2^-150`.
const HALF_SUBNORMAL: f64 = f64::from_bits((1023 - 150) << 52);

/// What f64 itself loses in the reference value and in this bound, relative to the larger sample. Each takes fewer than
/// 16 operations of relative error `2^-53`.
const REFERENCE_ERROR: f64 = 1.0 / (1_u64 << 48) as f64;

/// A reference value and how far the definition may be from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interpolated {
    pub(crate) value: f64,
    pub(crate) bound: f64,
}

/// What lies between two samples; `sum_is_rounded` if results are narrower than f32.
pub(crate) fn interpolate(x0: f64, x1: f64, weight: &Weight, sum_is_rounded: bool) -> Interpolated {
    let rounded = f64::from(weight.rounded);
    if !(x0.is_finite() && x1.is_finite() && rounded.is_finite()) {
        // NaN or infinite, and which one is decided by the weight that the definition rounds: Inf * 0 is NaN.
        return Interpolated { value: x0 * (1.0 - rounded) + x1 * rounded, bound: 0.0 };
    }
    if let Some(value) = exact_result(x0, x1, weight, sum_is_rounded) {
        return Interpolated { value, bound: 0.0 };
    }
    let value = x0 * (1.0 - weight.real) + x1 * weight.real;
    Interpolated { value, bound: error_bound(x0, x1, weight, value, sum_is_rounded) }
}

/// The result, if no operation of the definition before the last rounding changes anything.
fn exact_result(x0: f64, x1: f64, weight: &Weight, sum_is_rounded: bool) -> Option<f64> {
    if weight.roundings != 0 {
        return None;
    }
    let weight = f64::from(weight.rounded);
    let complement = 1.0 - weight;
    let (first, second) = (x0 * complement, x1 * weight);
    let sum = first + second;
    let exact = is_f32(complement)
        && 1.0 - complement == weight
        && is_f32(first)
        && is_f32(second)
        && sum_is_exact(first, second, sum)
        && (!sum_is_rounded || is_f32(sum));
    exact.then_some(sum)
}

/// The bound of this module's prose.
fn error_bound(x0: f64, x1: f64, weight: &Weight, value: f64, sum_is_rounded: bool) -> f64 {
    let (u, h) = (UNIT_ROUNDOFF, HALF_SUBNORMAL);
    let rounded = f64::from(weight.rounded);
    let roundings = f64::from(weight.roundings);
    let weight_error =
        if weight.roundings == 0 { 0.0 } else { roundings * u / (1.0 - roundings * u) * weight.real + h };
    let complement_error = if rounded < 0.5 { u / 2.0 } else { 0.0 };
    let complement = 1.0 - rounded + complement_error;
    let before_sum = (x1 - x0).abs() * weight_error
        + x0.abs() * complement_error
        + u * (x0.abs() * complement + x1.abs() * rounded)
        + 2.0 * h;
    let before_last = if sum_is_rounded { before_sum + u * (value.abs() + before_sum) } else { before_sum };
    before_last + REFERENCE_ERROR * x0.abs().max(x1.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(rounded: f32, roundings: u8) -> Weight {
        Weight { real: f64::from(rounded), rounded, roundings }
    }

    #[test]
    fn the_constants_are_those_of_the_prose() {
        assert_eq!(UNIT_ROUNDOFF, f64::from(f32::EPSILON) / 2.0);
        assert_eq!(HALF_SUBNORMAL, f64::from(f32::from_bits(1)) / 2.0);
    }

    #[test]
    fn dyadic_values_have_no_error() {
        let between = interpolate(3.0, -5.0, &weight(0.25, 0), true);
        assert_eq!((between.value, between.bound), (1.0, 0.0));
    }

    #[test]
    fn a_product_that_rounds_has_a_bound_of_a_few_units() {
        let x = f64::from(0.1_f32);
        let between = interpolate(x, x, &weight(1.0 / 3.0, 1), false);
        assert!((between.value - x).abs() < 1e-16);
        // |x0| u/2 + u (|x0| m + |x1| w) = 1.5 u x: equal samples do not feel the weight's error.
        assert!((between.bound / (1.5 * UNIT_ROUNDOFF * x) - 1.0).abs() < 1e-6, "{}", between.bound);
    }

    #[test]
    fn products_that_underflow_are_covered() {
        let tiny = f64::from(f32::from_bits(1));
        // Both products round to zero or to the subnormal itself: off by half a subnormal each.
        let between = interpolate(tiny, tiny, &weight(0.5, 0), false);
        assert!(between.bound >= tiny);
    }

    #[test]
    fn the_rounded_weight_decides_what_infinity_becomes() {
        let infinity = f64::INFINITY;
        assert!(interpolate(1.0, infinity, &weight(0.0, 1), false).value.is_nan());
        assert!(interpolate(infinity, 1.0, &weight(1.0, 1), false).value.is_nan());
        assert_eq!(interpolate(infinity, 1.0, &weight(0.5, 0), false).value, infinity);
        assert_eq!(interpolate(1.0, -infinity, &weight(0.5, 0), false).value, -infinity);
        assert!(interpolate(infinity, -infinity, &weight(0.5, 0), false).value.is_nan());
        assert!(interpolate(1.0, 1.0, &weight(f32::NAN, 0), false).value.is_nan());
    }
}
