//! Recorded values in the element type of a tensor.

use robocache_core::{
    dtype::{DType, Element, Float},
    tensor::{HostTensor, TensorSpec},
};

/// A tensor of `values`, each rounded once to the dtype of `spec`: to nearest, ties to even.
///
/// # Panics
/// If `spec` is not of a floating-point dtype, or `values` does not fill it: callers make the two together.
pub(super) fn rounded_tensor(spec: TensorSpec, values: &[f64]) -> HostTensor {
    fn filled<E: Element>(spec: TensorSpec, values: &[f64], round: impl Fn(f64) -> E) -> HostTensor {
        let rounded: Vec<E> = values.iter().map(|&value| round(value)).collect();
        HostTensor::from_slice(spec, &rounded)
    }
    match spec.dtype {
        DType::F32 => filled(spec, values, |value| f32::narrow(value as f32)),
        DType::F16 => filled(spec, values, |value| half::f16::narrow(to_odd(value))),
        DType::Bf16 => filled(spec, values, |value| half::bf16::narrow(to_odd(value))),
        DType::I32 | DType::I64 => panic!("recorded values are not rounded to {}", spec.dtype),
    }
}

/// The f32 next to `value`, rounded to odd: if `value` lies between two neighbours, the one whose last bit is 1.
///
/// Rounding that to a type of at most 22 bits of precision equals rounding `value` itself (Boldo and Melquiond, "When
/// double rounding is odd", 2004), while rounding twice to nearest does not. `half`'s conversions from f64 drop the low
/// 32 bits first, so that a value just above a tie is rounded down.
fn to_odd(value: f64) -> f32 {
    let nearest = value as f32;
    let excess = value - f64::from(nearest);
    // Exact; infinite or NaN, whose excess is NaN; or inexact but odd already.
    if excess == 0.0 || excess.is_nan() || nearest.to_bits() & 1 == 1 {
        return nearest;
    }
    // One of the two neighbours of an even value is odd; the exact value lies towards `excess`.
    if excess > 0.0 { nearest.next_up() } else { nearest.next_down() }
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};
    use proptest::prelude::*;

    use super::*;

    /// The nearest value of 16-bit type by search among all of them, ties to even: slow, and shares nothing with `to_odd`.
    fn nearest_by_search(value: f64, widen: impl Fn(u16) -> f64) -> u16 {
        // Positive finite values and infinity are ordered as their bits.
        let magnitude = value.abs();
        let (mut low, mut high) = (0_u16, (0..=0x7FFF).rev().find(|&bits| widen(bits) == f64::INFINITY).unwrap());
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if widen(middle) <= magnitude { low = middle } else { high = middle }
        }
        // Overflow starts half a unit above the largest finite value.
        let above = if widen(high) == f64::INFINITY { 2.0 * widen(low) - widen(low - 1) } else { widen(high) };
        let (below, above) = (magnitude - widen(low), above - magnitude);
        let bits = if below < above || below == above && low % 2 == 0 { low } else { high };
        bits | if value.is_sign_negative() { 0x8000 } else { 0 }
    }

    fn check(value: f64) {
        assert_eq!(
            f16::narrow(to_odd(value)).to_bits(),
            nearest_by_search(value, |bits| f16::from_bits(bits).to_f64()),
            "f16 of {value:e}"
        );
        assert_eq!(
            bf16::narrow(to_odd(value)).to_bits(),
            nearest_by_search(value, |bits| bf16::from_bits(bits).to_f64()),
            "bf16 of {value:e}"
        );
    }

    #[test]
    fn values_beside_ties_are_rounded_once() {
        for half_units in [1.0 + f64::powi(2.0, -11), 1.0 + f64::powi(2.0, -8), 3.0 * f64::powi(2.0, -25), 65520.0] {
            for value in [half_units, half_units.next_up(), half_units.next_down(), half_units * (1.0 + 1e-12)] {
                check(value);
                check(-value);
            }
        }
        // What `half` does instead: it drops the excess.
        let above_tie = (1.0 + f64::powi(2.0, -11)).next_up();
        assert_eq!(f16::from_f64(above_tie).to_bits(), f16::from_f32(1.0).to_bits());
        assert_eq!(f16::narrow(to_odd(above_tie)).to_bits(), f16::from_f32(1.0).to_bits() + 1);
    }

    #[test]
    fn special_values_keep_their_meaning() {
        assert_eq!(to_odd(f64::INFINITY), f32::INFINITY);
        assert_eq!(to_odd(-0.0).to_bits(), (-0.0_f32).to_bits());
        assert!(to_odd(f64::NAN).is_nan());
        assert_eq!(f16::narrow(to_odd(1e300)), f16::INFINITY);
        assert_eq!(bf16::narrow(to_odd(-1e300)), bf16::NEG_INFINITY);
        assert_eq!(f16::narrow(to_odd(1e-300)).to_bits(), 0);
        assert_eq!(f16::narrow(to_odd(-1e-300)).to_bits(), 0x8000);
    }

    proptest! {
        #[test]
        fn every_value_is_rounded_once(mantissa in any::<i64>(), exponent in -210_i32..70) {
            check(mantissa as f64 * f64::powi(2.0, exponent));
        }
    }
}
