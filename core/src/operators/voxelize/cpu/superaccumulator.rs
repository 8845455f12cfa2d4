//! Exact sums of f32, and their means rounded once.

/// Bits of a digit.
const DIGIT_BITS: usize = 32;

/// Digits: the finite f32 span 277 bits (2^-149 to 2^128), and 2^31 addends add 31.
const DIGITS: usize = 10;

/// An exact sum of fewer than 2^31 finite f32.
///
/// The value is the sum of `digits[k] * 2^(32 k - 149)`. Each addend changes a digit by less than 2^32, so none
/// overflows and no carry is needed before the end (Kulisch's long accumulator, with Neal's lazy carries: "Fast exact
/// summation using small and large superaccumulators", 2015).
#[derive(Clone, Debug, Default)]
pub(super) struct Superaccumulator {
    digits: [i64; DIGITS],
}

impl Superaccumulator {
    /// Adds a finite number.
    pub(super) fn add(&mut self, addend: f32) {
        let bits = addend.to_bits();
        let exponent = (bits >> 23 & 0xFF) as usize;
        let fraction = u64::from(bits & 0x7F_FFFF);
        // addend = significand * 2^(shift - 149); subnormals have the exponent of the smallest normal numbers.
        let (significand, shift) = if exponent == 0 { (fraction, 0) } else { (fraction | 0x80_0000, exponent - 1) };
        let shifted = significand << (shift % DIGIT_BITS);
        let (low, high) = ((shifted & 0xFFFF_FFFF) as i64, (shifted >> DIGIT_BITS) as i64);
        let sign = if bits >> 31 == 0 { 1 } else { -1 };
        self.digits[shift / DIGIT_BITS] += sign * low;
        self.digits[shift / DIGIT_BITS + 1] += sign * high;
    }

    /// The sum divided by `count`, rounded once to nearest even. An exact zero is +0.
    pub(super) fn mean(&self, count: u32) -> f32 {
        let (negative, mut magnitude) = self.magnitude();
        // Long division, the most significant digit first.
        let mut remainder = 0_u64;
        for digit in magnitude.iter_mut().rev() {
            let dividend = remainder << DIGIT_BITS | u64::from(*digit);
            *digit = (dividend / u64::from(count)) as u32;
            remainder = dividend % u64::from(count);
        }
        let bits = round(&magnitude, 2 * remainder, u64::from(count));
        if bits == 0 && remainder == 0 {
            return 0.0;
        }
        f32::from_bits(bits | u32::from(negative) << 31)
    }

    /// What adding everything `repeats` times would have left.
    #[cfg(test)]
    pub(super) fn times(&self, repeats: i32) -> Self {
        Self { digits: self.digits.map(|digit| digit * i64::from(repeats)) }
    }

    /// Sign and magnitude, the least significant digit first.
    fn magnitude(&self) -> (bool, [u32; DIGITS]) {
        let carried = |sign: i64| {
            let mut carry = 0_i64;
            let digits = self.digits.map(|digit| {
                // The digit's own size leaves no room for the carry, hence 128 bits.
                let sum = i128::from(sign * digit) + i128::from(carry);
                carry = (sum >> DIGIT_BITS) as i64;
                sum as u32
            });
            (carry, digits)
        };
        // The carry out of the last digit is 0 or -1: the sign.
        match carried(1) {
            (0, digits) => (false, digits),
            _ => (true, carried(-1).1),
        }
    }
}

/// The bits of the f32 nearest to `(quotient + twice_remainder / (2 * count)) * 2^-149`, ties to even.
fn round(quotient: &[u32; DIGITS], twice_remainder: u64, count: u64) -> u32 {
    let bit = |position: usize| quotient[position / DIGIT_BITS] >> (position % DIGIT_BITS) & 1;
    let length = (0..DIGITS * DIGIT_BITS).rev().find(|&position| bit(position) == 1).map_or(0, |highest| highest + 1);
    // Bits below the 24 that f32 keeps; none where the result is subnormal or just above.
    let cut = length.saturating_sub(24);
    let kept = (cut..length).rev().fold(0, |kept, position| kept << 1 | bit(position));
    let (half, more) = if cut == 0 {
        (twice_remainder >= count, twice_remainder > count)
    } else {
        (bit(cut - 1) == 1, twice_remainder > 0 || (0..cut - 1).any(|position| bit(position) == 1))
    };
    let up = half && (more || kept & 1 == 1);
    // A significand without its hidden bit set is subnormal; with it set, its own bit 23 counts one exponent up, and so
    // does the carry that rounding may make.
    ((cut as u32) << 23) + kept + u32::from(up)
}
