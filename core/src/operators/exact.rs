//! What references read tensors with: exact values, by none of the code that implementations use.

use half::{bf16, f16};

use crate::dtype::Element;

/// A floating-point element, read exactly.
pub(crate) trait Exact: Element {
    /// The same value in f64. Every f32, f16 and bf16 has one; NaN stays some NaN.
    fn exact(self) -> f64;

    /// Whether results of this type are rounded twice, to f32 and then to this type.
    const NARROWER_THAN_F32: bool;
}

impl Exact for f32 {
    const NARROWER_THAN_F32: bool = false;

    fn exact(self) -> f64 {
        f64::from(self)
    }
}

impl Exact for f16 {
    const NARROWER_THAN_F32: bool = true;

    fn exact(self) -> f64 {
        f64::from(self)
    }
}

impl Exact for bf16 {
    const NARROWER_THAN_F32: bool = true;

    fn exact(self) -> f64 {
        f64::from(self)
    }
}

/// Whether `first + second` is `sum`, the f64 nearest to it, without an error. All must be finite.
///
/// Knuth's TwoSum (The Art of Computer Programming, volume 2, section 4.2.2, theorem B) gives the error exactly.
pub(crate) fn sum_is_exact(first: f64, second: f64, sum: f64) -> bool {
    let second_in_sum = sum - first;
    let first_in_sum = sum - second_in_sum;
    (first - first_in_sum) + (second - second_in_sum) == 0.0
}

/// Whether a finite f64 is also an f32.
pub(crate) fn is_f32(value: f64) -> bool {
    f64::from(value as f32) == value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_read_exactly() {
        for bits in 0..=u16::MAX {
            let (narrow, wide) = (f16::from_bits(bits), f16::from_bits(bits).exact());
            assert!(wide.is_nan() == narrow.is_nan() && (wide.is_nan() || f16::from_f64(wide) == narrow));
            let (narrow, wide) = (bf16::from_bits(bits), bf16::from_bits(bits).exact());
            assert!(wide.is_nan() == narrow.is_nan() && (wide.is_nan() || bf16::from_f64(wide) == narrow));
        }
    }

    #[test]
    fn a_sum_that_loses_a_bit_is_not_exact() {
        let tiny = 2.0_f64.powi(-60);
        assert!(sum_is_exact(1.0, 0.5, 1.5));
        assert!(!sum_is_exact(1.0, tiny, 1.0 + tiny));
        assert!(!sum_is_exact(tiny, 1.0, 1.0 + tiny));
        assert!(is_f32(0.1_f32.into()) && !is_f32(0.1));
    }
}
