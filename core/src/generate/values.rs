//! Floating-point values of several kinds.

use half::{bf16, f16};
use rand_chacha::{ChaCha8Rng, rand_core::Rng};

use super::{below, fill};
use crate::{dtype::Float, random::Seed};

/// A floating-point element as sign, exponent and fraction.
pub(crate) trait Pattern: Float {
    /// Bits of the fraction.
    const FRACTION_BITS: u32;
    /// Bits of the biased exponent.
    const EXPONENT_BITS: u32;

    /// The element of these bits; those beyond its size are ignored.
    fn from_pattern(bits: u32) -> Self;

    /// The sign's bit.
    const SIGN: u32 = 1 << (Self::FRACTION_BITS + Self::EXPONENT_BITS);
    /// The bits of +infinity.
    const INFINITY: u32 = Self::SIGN - (1 << Self::FRACTION_BITS);
    /// The bits of 1.
    const ONE: u32 = ((1 << (Self::EXPONENT_BITS - 1)) - 1) << Self::FRACTION_BITS;
}

impl Pattern for f32 {
    const FRACTION_BITS: u32 = 23;
    const EXPONENT_BITS: u32 = 8;

    fn from_pattern(bits: u32) -> Self {
        Self::from_bits(bits)
    }
}

impl Pattern for f16 {
    const FRACTION_BITS: u32 = 10;
    const EXPONENT_BITS: u32 = 5;

    fn from_pattern(bits: u32) -> Self {
        Self::from_bits(bits as u16)
    }
}

impl Pattern for bf16 {
    const FRACTION_BITS: u32 = 7;
    const EXPONENT_BITS: u32 = 8;

    fn from_pattern(bits: u32) -> Self {
        Self::from_bits(bits as u16)
    }
}

/// Uniform in `[-1, 1)`: multiples of `2^-23`, rounded to the dtype. Those that round up to 1 become -1.
pub(crate) fn uniform<E: Pattern>(generator: &mut ChaCha8Rng) -> E {
    let multiple = (generator.next_u32() >> 8) as i32 - (1 << 23);
    let value = multiple as f32 / (1 << 23) as f32;
    let rounded = E::narrow(value);
    if rounded.widen() < 1.0 { rounded } else { E::narrow(-1.0) }
}

/// Either sign, every finite exponent as likely as any other, subnormals among them, and a random fraction.
pub(crate) fn wide_exponent<E: Pattern>(generator: &mut ChaCha8Rng) -> E {
    let word = generator.next_u64();
    let exponents = u64::from(E::INFINITY >> E::FRACTION_BITS);
    let exponent = (((word >> 32) * exponents) >> 32) as u32;
    let fraction = word as u32 & ((1 << E::FRACTION_BITS) - 1);
    let sign = if word as i32 >= 0 { 0 } else { E::SIGN };
    E::from_pattern(sign | exponent << E::FRACTION_BITS | fraction)
}

/// An integer of `[-16, 16]`, exact in every dtype.
pub(crate) fn integer<E: Pattern>(generator: &mut ChaCha8Rng) -> E {
    E::narrow(below(generator, 33) as f32 - 16.0)
}

/// Either sign and a magnitude in `[1, 2)`: half of two of them of one sign has one bit more than the dtype, or none.
pub(crate) fn of_one_binade<E: Pattern>(generator: &mut ChaCha8Rng) -> E {
    let word = generator.next_u32();
    let sign = if word >> 31 == 0 { 0 } else { E::SIGN };
    E::from_pattern(sign | E::ONE | (word & ((1 << E::FRACTION_BITS) - 1)))
}

/// Every second time a value that arithmetic treats specially, else one uniform in `[-1, 1)`.
pub(crate) fn special<E: Pattern>(generator: &mut ChaCha8Rng) -> E {
    let word = generator.next_u32();
    let payload = (word >> 8) & ((1 << (E::FRACTION_BITS - 1)) - 1);
    let quiet = 1 << (E::FRACTION_BITS - 1);
    let magnitude = match word & 31 {
        // A signalling NaN needs a payload, or it would be infinity.
        0 => E::INFINITY | payload | 1,
        1 => E::INFINITY | quiet | payload,
        2 => E::INFINITY | quiet,
        3 | 4 => E::INFINITY,
        5 | 6 => 0,
        7 => 1,
        8 => (1 << E::FRACTION_BITS) - 1,
        9 => (1 << (E::FRACTION_BITS - 1)) | payload,
        10 => 1 << E::FRACTION_BITS,
        11 => (1 << E::FRACTION_BITS) + 1,
        12 => E::INFINITY - 1,
        13 => E::INFINITY - 2,
        14 => E::ONE,
        15 => E::ONE + 1,
        16..=u32::MAX => return uniform(generator),
    };
    let sign = if word & 32 == 0 { 0 } else { E::SIGN };
    E::from_pattern(sign | magnitude)
}

/// Fills `elements` with groups of equal magnitude, up to a few ULPs, and either sign. `group` gives the group (of
/// `groups`) and the sign of the element at an offset.
pub(crate) fn fill_cancelling<E: Pattern>(
    elements: &mut [E],
    groups: usize,
    seed: Seed,
    group: impl Fn(usize) -> (usize, bool) + Sync,
) {
    let mut magnitudes = vec![0_u32; groups];
    // The middle half of the exponents: wide, and neither sums nor products leave the finite range.
    let quarter = 1_u32 << (E::EXPONENT_BITS - 2);
    fill(&mut magnitudes, seed.derive("magnitudes"), |generator, _| {
        let exponent = quarter + below(generator, 2 * quarter as usize) as u32;
        exponent << E::FRACTION_BITS | (generator.next_u32() & ((1 << E::FRACTION_BITS) - 1))
    });
    fill(elements, seed, |generator, offset| {
        let (group, negative) = group(offset);
        let ulps = generator.next_u32() % 4;
        let sign = if negative { E::SIGN } else { 0 };
        E::from_pattern(sign | (magnitudes[group] + ulps))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw<E: Pattern>(draw: impl Fn(&mut ChaCha8Rng) -> E) -> Vec<f32> {
        let mut generator = Seed::root(5).generator();
        (0..20_000).map(|_| draw(&mut generator).widen()).collect()
    }

    fn check_kinds<E: Pattern>() {
        let uniform = draw(uniform::<E>);
        assert!(uniform.iter().all(|value| (-1.0..1.0).contains(value)));
        assert!((uniform.iter().sum::<f32>() / uniform.len() as f32).abs() < 0.02);

        let wide = draw(wide_exponent::<E>);
        assert!(wide.iter().all(|value| value.is_finite()));
        let smallest_normal = E::from_pattern(1 << E::FRACTION_BITS).widen();
        assert!(wide.iter().any(|value| *value != 0.0 && value.abs() < smallest_normal));
        assert!(wide.iter().any(|value| value.abs() >= E::from_pattern(E::INFINITY - (1 << E::FRACTION_BITS)).widen()));
        assert!(wide.iter().any(|value| *value < 0.0) && wide.iter().any(|value| *value > 0.0));

        let special = draw(special::<E>);
        assert!(special.iter().any(|value| value.is_nan()));
        assert!(special.contains(&f32::INFINITY) && special.contains(&f32::NEG_INFINITY));
        assert!(special.iter().any(|value| *value == 0.0 && value.is_sign_negative()));
        assert!(special.contains(&E::from_pattern(1).widen()));

        let ulp = E::from_pattern(E::ONE + 1).widen() - 1.0;
        let binade = draw(of_one_binade::<E>);
        assert!(binade.iter().all(|value| (1.0..2.0).contains(&value.abs())));
        let is_tie = |pair: &&[f32]| (pair[0] + pair[1]) / ulp % 2.0 != 0.0 && pair[0] * pair[1] > 0.0;
        // In f32 the sum itself is rounded, so that only the narrow dtypes show it here.
        let ties = binade.chunks(2).filter(is_tie).count();
        assert!(E::FRACTION_BITS == 23 || ties > 2000, "{ties}");

        assert!(draw(integer::<E>).iter().all(|value| value.fract() == 0.0 && value.abs() <= 16.0));
    }

    #[test]
    fn each_kind_is_what_it_says() {
        check_kinds::<f32>();
        check_kinds::<f16>();
        check_kinds::<bf16>();
    }

    #[test]
    fn cancelling_neighbours_nearly_cancel() {
        let mut values = vec![0.0_f32; 1000];
        fill_cancelling(&mut values, 500, Seed::root(2), |offset| (offset / 2, offset % 2 == 1));
        for pair in values.chunks(2) {
            assert!(pair[0] > 0.0 && (pair[0] + pair[1]).abs() <= pair[0] * 1e-6, "{pair:?}");
        }
        assert!(values.chunks(2).any(|pair| pair[0] + pair[1] == 0.0));
    }
}
