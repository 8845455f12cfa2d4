//! The correctly rounded mean, for the reference: an exact integer sum, one integer division, one rounding.
//!
//! Every finite f32 is an integer times a power of two. Values are brought to the least exponent among them and summed
//! as integers: in i128 where the spread of exponents allows it, else in integers of any size. The quotient of sum and
//! count is then taken to 97 bits or more with a sticky bit for all that follows, from which round-to-nearest-even is
//! decided without error.

use num_bigint::{BigInt, Sign};

/// The bits of the canonical NaN.
const CANONICAL_NAN_BITS: u32 = 0x7FC0_0000;

/// The correctly rounded f32 of the exact mean of `values`, which are at least one and fewer than 2^31.
///
/// NaN, or infinities of both signs, give the canonical NaN; an exact zero is +0.
pub(super) fn correctly_rounded_mean(values: &[f32]) -> f32 {
    if let Some(special) = special_mean(values) {
        return special;
    }
    let terms = || values.iter().filter(|value| **value != 0.0).map(|value| Term::new(*value));
    let Some(least) = terms().map(|term| term.exponent).min() else { return 0.0 };
    let most = terms().map(|term| term.exponent).max().unwrap_or(least);
    let count = values.len() as u64;
    // 24 bits of significand and 31 of count stay below 2^127 for this spread.
    if most - least <= 70 {
        let sum: i128 = terms().map(|term| term.significand << (term.exponent - least)).sum();
        let negative = sum < 0;
        return round_quotient(sum.unsigned_abs(), least, count, false, negative);
    }
    let sum: BigInt = terms().map(|term| BigInt::from(term.significand) << (term.exponent - least)).sum();
    let negative = sum.sign() == Sign::Minus;
    let magnitude = sum.into_parts().1;
    // The leading 128 bits of the sum and a sticky bit for the others: a quotient by 31 bits keeps 97 of them.
    let dropped = magnitude.bits().saturating_sub(128);
    let leading = &magnitude >> dropped;
    let sticky = dropped > 0 && magnitude.trailing_zeros().is_some_and(|zeros| zeros < dropped);
    let leading = u128::try_from(leading).expect("shifted to 128 bits");
    round_quotient(leading, least + dropped as i32, count, sticky, negative)
}

/// The mean, if it does not depend on finite values.
fn special_mean(values: &[f32]) -> Option<f32> {
    let nan = values.iter().any(|value| value.is_nan());
    let [up, down] = [f32::INFINITY, f32::NEG_INFINITY].map(|infinity| values.contains(&infinity));
    match (nan, up, down) {
        (true, _, _) | (false, true, true) => Some(f32::from_bits(CANONICAL_NAN_BITS)),
        (false, true, false) => Some(f32::INFINITY),
        (false, false, true) => Some(f32::NEG_INFINITY),
        (false, false, false) => None,
    }
}

/// A finite f32 as `significand * 2^exponent`.
struct Term {
    significand: i128,
    exponent: i32,
}

impl Term {
    fn new(value: f32) -> Self {
        let bits = value.to_bits();
        let biased = (bits >> 23 & 0xFF) as i32;
        let fraction = i128::from(bits & 0x7F_FFFF);
        // Subnormals have the exponent of the smallest normals and no leading one.
        let magnitude = if biased == 0 { fraction } else { fraction | 0x80_0000 };
        let significand = if bits >> 31 == 1 { -magnitude } else { magnitude };
        Self { significand, exponent: biased.max(1) - 150 }
    }
}

/// `(sum + rest) * 2^exponent / count` rounded to f32, where `rest` lies in `(0, 1)` if `sticky`, and is else 0.
fn round_quotient(sum: u128, exponent: i32, count: u64, sticky: bool, negative: bool) -> f32 {
    if sum == 0 {
        return 0.0;
    }
    let shift = sum.leading_zeros();
    let scaled = sum << shift;
    let count = u128::from(count);
    // A rest below one unit of `sum` cannot carry the quotient to its next integer: it makes the remainder larger by
    // less than one.
    let (quotient, remainder) = (scaled / count, scaled % count);
    let sticky = sticky || remainder != 0;
    let magnitude = round_significand(quotient, exponent - shift as i32, sticky);
    f32::from_bits(magnitude | u32::from(negative) << 31)
}

/// The bits of `(quotient + rest) * 2^exponent` rounded to f32; the quotient has at least 97 bits.
fn round_significand(quotient: u128, exponent: i32, sticky: bool) -> u32 {
    let bits = 128 - quotient.leading_zeros() as i32;
    // The unit of the result: 24 significant bits, but never finer than the smallest subnormal.
    let unit = (exponent + bits - 24).max(-149);
    let dropped = unit - exponent;
    if dropped >= 128 {
        // Below half of the smallest subnormal if all 128 bits are dropped with one to spare; a quotient of 128 bits
        // that just reaches half is decided by what follows its leading bit.
        let above_half = dropped == 128 && (quotient > 1 << 127 || (quotient == 1 << 127 && sticky));
        return u32::from(above_half);
    }
    let significand = quotient >> dropped;
    let rest = quotient & ((1 << dropped) - 1);
    let half = 1_u128 << (dropped - 1);
    let up = rest > half || (rest == half && (sticky || significand & 1 == 1));
    let significand = significand as u32 + u32::from(up);
    // The encoding is monotone: a significand of 2^23 carries into the exponent by itself, also from a subnormal, and
    // one that rounded up to 2^24 gives the next power of two.
    (((unit + 149) as u32) << 23) + significand
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::Rng;

    use super::*;
    use crate::{generate, operators::voxelize::rational::is_nearest, random::Seed};

    #[test]
    fn small_cases_by_hand() {
        let mean = |values: &[f32]| correctly_rounded_mean(values).to_bits();
        assert_eq!(mean(&[1.0, 2.0, 6.0]), 3.0_f32.to_bits());
        assert_eq!(mean(&[1.0, 0.0, 0.0]), (1.0_f32 / 3.0).to_bits());
        assert_eq!(mean(&[1e38, 1.0, -1e38]), (1.0_f32 / 3.0).to_bits());
        assert_eq!(mean(&[f32::MAX, f32::MAX]), f32::MAX.to_bits());
        assert_eq!(mean(&[f32::MAX, 1.0, 1.0, -f32::MAX]), 0.5_f32.to_bits());
        // Exactly half of the smallest subnormal is a tie, to even; a little more is not.
        let tiny = f32::from_bits(1);
        assert_eq!(mean(&[tiny, 0.0]), 0);
        assert_eq!(mean(&[tiny, tiny, 0.0]), 1);
        assert_eq!(mean(&[-tiny, 0.0, 0.0]), (-0.0_f32).to_bits());
        // An exact zero is +0, of whatever zeros it is made.
        assert_eq!(mean(&[-0.0, -0.0]), 0);
        assert_eq!(mean(&[-3.5, 3.5]), 0);
        // 1 + 2^-24 is a tie between 1 and 1 + 2^-23; the least value more decides it.
        assert_eq!(mean(&[1.0, 1.0 + f32::EPSILON]), 1.0_f32.to_bits());
        assert_eq!(mean(&[1.0, 1.0 + f32::EPSILON, 0.0, 1.0]), 0.75_f32.to_bits());
        assert_eq!(mean(&[1.0, 1.0 + f32::EPSILON, tiny, 1.0]), 0.75_f32.next_up().to_bits());
    }

    #[test]
    fn special_values_follow_the_real_line() {
        let (infinity, nan) = (f32::INFINITY, f32::from_bits(0xFF80_0001));
        let mean = |values: &[f32]| correctly_rounded_mean(values).to_bits();
        assert_eq!(mean(&[infinity, 1.0]), infinity.to_bits());
        assert_eq!(mean(&[-infinity, f32::MAX]), (-infinity).to_bits());
        assert_eq!(mean(&[infinity, -infinity]), CANONICAL_NAN_BITS);
        assert_eq!(mean(&[nan]), CANONICAL_NAN_BITS);
        assert_eq!(mean(&[infinity, nan]), CANONICAL_NAN_BITS);
    }

    #[test]
    fn every_mean_is_nearest_among_all_f32() {
        let mut generator = Seed::root(11).generator();
        let mut checked = 0;
        while checked < 3000 {
            let count = 1 + generate::below(&mut generator, 9);
            let wide = generator.next_u32().is_multiple_of(2);
            let mut values: Vec<f32> = (0..count)
                .map(|_| if wide { generate::wide_exponent(&mut generator) } else { generate::uniform(&mut generator) })
                .collect();
            // Pairs that cancel leave sums whose leading bits come from far below.
            if generator.next_u32().is_multiple_of(2) {
                values.extend(values.clone().iter().skip(1).map(|value| -value));
            }
            let mean = correctly_rounded_mean(&values);
            assert!(is_nearest(&values, mean), "{values:?} -> {mean:e}");
            checked += 1;
        }
    }

    #[test]
    fn ties_and_near_ties_are_decided_by_the_last_bit() {
        let mut generator = Seed::root(12).generator();
        for _ in 0..1000 {
            let bits = generator.next_u32() % 0x7F00_0000;
            let (low, high) = (f32::from_bits(bits), f32::from_bits(bits + 1));
            for values in [vec![low, high], vec![low, high, f32::from_bits(1), f32::from_bits(0)]] {
                let mean = correctly_rounded_mean(&values);
                assert!(is_nearest(&values, mean), "{values:?} -> {mean:e}");
            }
        }
    }
}
