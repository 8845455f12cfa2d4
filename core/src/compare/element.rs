//! What comparison must know of an element: its place among its neighbours, and what rounds to it.

use half::{bf16, f16};

use crate::dtype::Element;

/// An element that can be held against another, or against a real number.
pub(super) trait Comparable: Element {
    /// The bits, zero-extended.
    fn pattern(self) -> u64;

    /// The place among all values of the dtype, so that neighbours differ by 1 and both zeros are at 0; `None` for NaN.
    fn rank(self) -> Option<i64>;

    /// The rank of the element nearest to `value`, ties to even. `value` may be infinite, but not NaN.
    fn round(value: f64) -> i64;

    /// The real number half-way between the elements of rank `below` and `below + 1`: where rounding changes.
    fn midpoint(below: i64) -> f64;

    /// The bits of the one NaN that results may hold.
    fn canonical_nan() -> Option<u64>;

    /// The bits that `value` rounds to, with its sign where it is zero; a NaN becomes the canonical one.
    fn rounded_pattern(value: f64) -> u64;
}

/// A binary floating-point format of at most 32 bits.
struct Format {
    fraction_bits: u32,
    exponent_bits: u32,
}

impl Format {
    const F32: Self = Self { fraction_bits: 23, exponent_bits: 8 };
    const F16: Self = Self { fraction_bits: 10, exponent_bits: 5 };
    const BF16: Self = Self { fraction_bits: 7, exponent_bits: 8 };

    const fn sign(&self) -> u64 {
        1 << (self.fraction_bits + self.exponent_bits)
    }

    const fn infinity(&self) -> u64 {
        self.sign() - (1 << self.fraction_bits)
    }

    /// The exponent of the unit of subnormals.
    const fn least_unit(&self) -> i32 {
        2 - (1 << (self.exponent_bits - 1)) - self.fraction_bits as i32
    }

    fn rank(&self, pattern: u64) -> Option<i64> {
        let magnitude = pattern & (self.sign() - 1);
        let rank = magnitude as i64;
        (magnitude <= self.infinity()).then_some(if pattern & self.sign() == 0 { rank } else { -rank })
    }

    /// The magnitude's bits of the number of this format nearest to `value`, ties to even.
    ///
    /// In integers: the conversions of processors and libraries differ in how often they round on the way from f64.
    fn round(&self, value: f64) -> u64 {
        if value.is_infinite() {
            return self.infinity();
        }
        let bits = value.to_bits() & (u64::MAX >> 1);
        let biased = (bits >> 52) as i32;
        let fraction = bits & ((1 << 52) - 1);
        let significand = if biased == 0 { fraction } else { fraction | 1 << 52 };
        // value = significand * 2^exponent, and the result is a multiple of 2^unit.
        let exponent = biased.max(1) - 1075;
        let unit = (exponent + 52 - self.fraction_bits as i32).max(self.least_unit());
        let dropped = unit - exponent;
        if dropped > 53 {
            return 0;
        }
        let (kept, rest, half) = (significand >> dropped, significand & ((1 << dropped) - 1), 1_u64 << (dropped - 1));
        let rounded = kept + u64::from(rest > half || (rest == half && kept & 1 == 1));
        // Monotone encoding: a carry out of the fraction is the next exponent, and beyond the last one is infinity.
        let pattern = (((unit - self.least_unit()) as u64) << self.fraction_bits) + rounded;
        pattern.min(self.infinity())
    }

    fn ranked_round(&self, value: f64) -> i64 {
        let magnitude = self.round(value) as i64;
        if value < 0.0 { -magnitude } else { magnitude }
    }

    /// The number of this rank; one beyond the largest is the power of two that would follow, where overflow begins
    /// half-way.
    fn value(&self, rank: i64) -> f64 {
        let magnitude = rank.unsigned_abs();
        let exponent = (magnitude >> self.fraction_bits) as i32;
        let fraction = magnitude & ((1 << self.fraction_bits) - 1);
        let significand = if exponent == 0 { fraction } else { fraction | 1 << self.fraction_bits };
        // An exact power of two: 2^-149 to 2^128 are normal in f64.
        let unit = f64::from_bits(((exponent.max(1) - 1 + self.least_unit() + 1023) as u64) << 52);
        let value = significand as f64 * unit;
        if rank < 0 { -value } else { value }
    }

    /// Exact: neighbours have at most 24 bits, and what is half-way between them one more.
    fn midpoint(&self, below: i64) -> f64 {
        (self.value(below) + self.value(below + 1)) / 2.0
    }

    fn canonical_nan(&self) -> u64 {
        self.infinity() | 1 << (self.fraction_bits - 1)
    }

    fn rounded_pattern(&self, value: f64) -> u64 {
        if value.is_nan() {
            return self.canonical_nan();
        }
        let sign = if value.is_sign_negative() { self.sign() } else { 0 };
        sign | self.round(value)
    }
}

macro_rules! comparable_float {
    ($($float:ty: $format:expr;)*) => {$(
        impl Comparable for $float {
            fn pattern(self) -> u64 {
                self.to_bits().into()
            }

            fn rank(self) -> Option<i64> {
                $format.rank(self.pattern())
            }

            fn round(value: f64) -> i64 {
                $format.ranked_round(value)
            }

            fn midpoint(below: i64) -> f64 {
                $format.midpoint(below)
            }

            fn canonical_nan() -> Option<u64> {
                Some($format.canonical_nan())
            }

            fn rounded_pattern(value: f64) -> u64 {
                $format.rounded_pattern(value)
            }
        }
    )*};
}

comparable_float! {
    f32: Format::F32;
    f16: Format::F16;
    bf16: Format::BF16;
}

macro_rules! comparable_integer {
    ($($integer:ty as $unsigned:ty;)*) => {$(
        impl Comparable for $integer {
            fn pattern(self) -> u64 {
                (self as $unsigned).into()
            }

            fn rank(self) -> Option<i64> {
                Some(self.into())
            }

            fn round(value: f64) -> i64 {
                // The cast saturates.
                (value.round_ties_even() as $integer).into()
            }

            fn midpoint(below: i64) -> f64 {
                below as f64 + 0.5
            }

            fn canonical_nan() -> Option<u64> {
                None
            }

            fn rounded_pattern(value: f64) -> u64 {
                (value.round_ties_even() as $integer).pattern()
            }
        }
    )*};
}

comparable_integer! {
    i32 as u32;
    i64 as u64;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Rust's cast from f64 to f32 rounds once, to nearest and ties to even, by the language's definition.
        #[test]
        fn rounding_to_f32_is_the_languages(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            prop_assert_eq!(f32::rounded_pattern(value), u64::from((value as f32).to_bits()));
        }

        #[test]
        fn rounding_to_f32_is_the_languages_within_its_range(bits: u32, offset in -3_i64..=3, half: bool) {
            let narrow = f32::from_bits(bits);
            prop_assume!(narrow.is_finite());
            let towards = if half { f64::from(narrow.next_up()) } else { f64::from(narrow) };
            let middle = (f64::from(narrow) + towards) / 2.0;
            let value = f64::from_bits(middle.to_bits().wrapping_add_signed(offset));
            prop_assume!(value.is_finite());
            prop_assert_eq!(f32::rounded_pattern(value), u64::from((value as f32).to_bits()));
        }
    }

    fn check_every_half<E: Comparable>(from_bits: impl Fn(u16) -> E, exact: impl Fn(E) -> f64) {
        for bits in 0..=u16::MAX {
            let element = from_bits(bits);
            let Some(rank) = element.rank() else {
                assert!(exact(element).is_nan());
                continue;
            };
            let value = exact(element);
            assert_eq!(E::rounded_pattern(value), u64::from(bits));
            assert_eq!(E::round(value), rank);
            if value.is_finite() {
                // What is half-way goes to the even neighbour, and the next f64 on either side to its own.
                let midpoint = E::midpoint(rank);
                let even = if rank % 2 == 0 { rank } else { rank + 1 };
                assert_eq!(E::round(midpoint), even, "{bits:04x}");
                assert_eq!(E::round(midpoint.next_down()), rank, "{bits:04x}");
                assert_eq!(E::round(midpoint.next_up()), rank + 1, "{bits:04x}");
            }
        }
    }

    #[test]
    fn every_half_is_its_own_rounding_and_midpoints_divide_neighbours() {
        check_every_half(f16::from_bits, f16::to_f64);
        check_every_half(bf16::from_bits, bf16::to_f64);
    }

    #[test]
    fn overflow_begins_half_an_ulp_beyond_the_largest() {
        let threshold = 65520.0;
        assert_eq!(f16::rounded_pattern(threshold), u64::from(f16::INFINITY.to_bits()));
        assert_eq!(f16::rounded_pattern(threshold.next_down()), u64::from(f16::MAX.to_bits()));
        assert_eq!(f16::midpoint(f16::MAX.rank().unwrap()), threshold);
    }

    #[test]
    fn integers_round_and_saturate() {
        assert_eq!(i32::round(2.5), 2);
        assert_eq!(i32::round(-1e99), i64::from(i32::MIN));
        assert_eq!((-1_i32).pattern(), 0xFFFF_FFFF);
    }
}
