//! Text to exact nanoseconds and back, without a floating-point number in between.

use super::error::{Fault, quoted};

/// `text` as an integer number of nanoseconds.
pub(super) fn from_integer(text: &str) -> Result<i64, Fault> {
    text.parse().map_err(|_| {
        refused(
            text,
            "an integer number of nanoseconds; begin header lines with `#`, and use `format: tum` for seconds",
        )
    })
}

/// `text`, decimal seconds with or without an exponent, as nanoseconds.
///
/// An f64 holds epoch seconds only to about 240 ns, so the digits are shifted as an integer. Digits that are finer
/// than a nanosecond are refused unless they are zero.
pub(super) fn from_decimal_seconds(text: &str) -> Result<i64, Fault> {
    const EXPECTED: &str = "a decimal number of seconds in the range of i64 nanoseconds; begin header lines with `#`";
    let decimal = Decimal::parse(text).ok_or_else(|| refused(text, EXPECTED))?;
    match decimal.scaled_by_power_of_ten(9) {
        Scaled::Exact(nanoseconds) => Ok(nanoseconds),
        Scaled::TooFine => Err(Fault::TimeTooFine(text.into())),
        Scaled::OutOfRange => Err(refused(text, EXPECTED)),
    }
}

/// This time in seconds, exactly, with nine decimals.
pub(super) fn in_seconds(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let magnitude = nanoseconds.unsigned_abs();
    format!("{sign}{}.{:09}", magnitude / 1_000_000_000, magnitude % 1_000_000_000)
}

fn refused(text: &str, expected: &str) -> Fault {
    let word = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
    if matches!(word.as_str(), "nan" | "inf" | "infinity") {
        Fault::NanTime(text.into())
    } else {
        Fault::Malformed(format!("the time is {}, but must be {expected}", quoted(text.as_bytes())))
    }
}

/// `sign * digits * 10^exponent`.
#[derive(Debug)]
struct Decimal {
    negative: bool,
    /// Decimal digits, leading zeros removed.
    digits: String,
    exponent: i64,
}

#[derive(Debug, PartialEq, Eq)]
enum Scaled {
    Exact(i64),
    TooFine,
    OutOfRange,
}

impl Decimal {
    /// `[sign] digits [. digits] [e [sign] digits]`, with a digit on at least one side of the point.
    fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, i64::from(exponent.parse::<i32>().ok()?)),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = digits.trim_start_matches('0').to_owned();
        Some(Self { negative, digits, exponent: exponent.checked_sub_unsigned(fraction.len() as u64)? })
    }

    fn scaled_by_power_of_ten(&self, power: i64) -> Scaled {
        // i64 has 19 digits; more than that on the left of the point cannot fit.
        const MOST_DIGITS: i64 = 19;
        let shift = self.exponent + power;
        let length = self.digits.len() as i64;
        if length == 0 {
            return Scaled::Exact(0);
        }
        if length + shift > MOST_DIGITS {
            return Scaled::OutOfRange;
        }
        let kept = (length + shift.min(0)).max(0) as usize;
        if self.digits.as_bytes()[kept..].iter().any(|&digit| digit != b'0') {
            return Scaled::TooFine;
        }
        let magnitude: i128 = self.digits[..kept].parse().unwrap_or(0);
        let magnitude = magnitude * 10_i128.pow(shift.max(0) as u32);
        match i64::try_from(if self.negative { -magnitude } else { magnitude }) {
            Ok(scaled) => Scaled::Exact(scaled),
            Err(_) => Scaled::OutOfRange,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn seconds_become_exact_nanoseconds() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("-0.0", 0),
            ("1311868163.8697", 1_311_868_163_869_700_000),
            ("+1311868163.869700000000", 1_311_868_163_869_700_000),
            // The nearest f64 would give ...168.
            ("1403715524.907143170", 1_403_715_524_907_143_170),
            ("1.403715524907143170e+09", 1_403_715_524_907_143_170),
            ("14037155249071431.70E-7", 1_403_715_524_907_143_170),
            (".5", 500_000_000),
            ("5.", 5_000_000_000),
            ("-0.000000001", -1),
            ("0.000000000e999999999", 0),
            ("9223372036.854775807", i64::MAX),
            ("-9223372036.854775808", i64::MIN),
        ] {
            assert_eq!(from_decimal_seconds(text), Ok(nanoseconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_exact_time_is_refused_with_its_kind() {
        for (text, kind) in [
            ("", "malformed"),
            (".", "malformed"),
            ("1..2", "malformed"),
            ("--1", "malformed"),
            ("1e", "malformed"),
            ("1e99999999999", "malformed"),
            ("0x10", "malformed"),
            ("1_000", "malformed"),
            ("٣", "malformed"),
            ("9223372036.854775808", "malformed"),
            ("1e300", "malformed"),
            ("NaN", "nan_time"),
            ("-nan", "nan_time"),
            ("+Infinity", "nan_time"),
            ("1.0000000001", "time_too_fine"),
            ("1e-10", "time_too_fine"),
            ("1e-2000000000", "time_too_fine"),
        ] {
            assert_eq!(from_decimal_seconds(text).map_err(|fault| fault.kind()), Err(kind), "{text}");
        }
        assert_eq!(from_integer("NAN").map_err(|fault| fault.kind()), Err("nan_time"));
        assert_eq!(from_integer("1.5").map_err(|fault| fault.kind()), Err("malformed"));
        assert_eq!(from_integer("-9223372036854775808"), Ok(i64::MIN));
    }

    proptest! {
        #[test]
        fn every_nanosecond_survives_being_written_as_seconds(nanoseconds in any::<i64>()) {
            let seconds = in_seconds(nanoseconds);
            prop_assert_eq!(from_decimal_seconds(&seconds), Ok(nanoseconds));
            prop_assert_eq!(from_decimal_seconds(&format!("{}000e-12", seconds.replace('.', ""))), Ok(nanoseconds));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+0-9.eE]{0,40}|\\PC{0,20}") {
            let _ = from_decimal_seconds(&text);
            let _ = from_integer(&text);
        }
    }
}
