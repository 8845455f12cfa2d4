//! Exact nanoseconds to f32 seconds, where that is harmless.

use super::{
    error::{Fault, Flaw, Place},
    nanoseconds::in_seconds,
};

/// How coarse f32 seconds may be: the distance between neighbouring f32 values, as a fraction of the distance between
/// neighbouring samples.
///
/// A weight of the interpolation is a quotient of two such distances, so that it is off by up to about this fraction.
/// Epoch seconds lie 128 s apart in f32.
pub const COARSEST_SPACING: f64 = 0.01;

/// Times of samples, in f32 seconds. `lines` are their lines in the file.
pub(super) fn of_samples(nanoseconds: &[i64], lines: &[u64]) -> Result<Vec<f32>, Flaw> {
    checked(nanoseconds, "the samples at", |index| Place::Line(lines[index]))
}

/// Target times, in f32 seconds.
pub(super) fn of_targets(nanoseconds: &[i64]) -> Result<Vec<f32>, Flaw> {
    checked(nanoseconds, "the targets at", |_| Place::File)
}

fn checked(nanoseconds: &[i64], what: &'static str, place: impl Fn(usize) -> Place) -> Result<Vec<f32>, Flaw> {
    for (index, pair) in nanoseconds.windows(2).enumerate() {
        let (earlier, later) = (pair[0], pair[1]);
        let interval = later.abs_diff(earlier);
        let larger = if earlier.unsigned_abs() > later.unsigned_abs() { earlier } else { later };
        let spacing = spacing(nearest_f32(larger));
        // Equal times are legal and stay equal.
        if interval != 0 && f64::from(spacing) > COARSEST_SPACING * (interval as f64 / 1e9) {
            let fault = Fault::TimesLoseResolution { what, earlier, later, spacing };
            return Err(place(index + 1).holds(fault));
        }
    }
    Ok(nanoseconds.iter().map(|&time| nearest_f32(time)).collect())
}

/// The f32 nearest to this time in seconds.
///
/// Through decimal text, whose parser rounds once; dividing floats would round the dividend and the quotient.
fn nearest_f32(nanoseconds: i64) -> f32 {
    in_seconds(nanoseconds).parse().expect("a decimal number is a float")
}

/// The distance from `value` to its neighbour away from zero.
fn spacing(value: f32) -> f32 {
    value.abs().next_up() - value.abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: i64 = 5_000_000;

    fn times_from(start: i64) -> Vec<i64> {
        (0..100).map(|k| start + k * PERIOD).collect()
    }

    #[test]
    fn times_near_an_origin_are_rounded_once() {
        let times = times_from(-250_000_000);
        let seconds = of_samples(&times, &vec![1; times.len()]).unwrap();
        for (time, second) in times.into_iter().zip(seconds) {
            assert_eq!(second, (time as f64 / 1e9) as f32);
        }
        // An f64 quotient would be a tie, and the tie would be broken the wrong way.
        let above_tie = 16_777_217_000_000_001;
        assert_eq!(nearest_f32(above_tie), 16_777_218.0);
        assert_eq!((above_tie as f64 / 1e9) as f32, 16_777_216.0);
    }

    #[test]
    fn epoch_times_are_refused_with_line_and_both_times() {
        let times = times_from(1_403_715_524_907_143_168);
        let lines: Vec<u64> = (10..).take(times.len()).collect();
        let flaw = of_samples(&times, &lines).unwrap_err();
        assert_eq!((flaw.fault.kind(), flaw.place), ("times_lose_resolution", Place::Line(11)));
        assert_eq!(
            flaw.to_string(),
            ":11: the samples at 1403715524.907143168 s and 1403715524.912143168 s are 0.005000000 s apart, but f32 \
             seconds of that size are 128 s apart; use `times: i64` (nanoseconds), or subtract an origin from the \
             times of the recording"
        );
        assert_eq!(of_targets(&times).unwrap_err().place, Place::File);
    }

    #[test]
    fn the_limit_is_where_it_is_stated() {
        // f32 values between 256 and 512 lie 2^-15 s = 30.5 us apart: 1/100 of 3.05 ms.
        let fails = |period: i64| of_targets(&[300_000_000_000, 300_000_000_000 + period]).is_err();
        assert!(!fails(3_060_000));
        assert!(fails(3_040_000));
        assert!(!fails(0), "duplicates are legal");
    }
}
