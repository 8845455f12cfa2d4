//! Student's t distribution for whole degrees of freedom.

use std::f64::consts::{FRAC_2_PI, PI};

/// The probability that Student's t with so many degrees of freedom is at least `t`.
///
/// The finite series of Abramowitz and Stegun, *Handbook of Mathematical Functions*, 26.7.3 and 26.7.4.
pub(super) fn upper_tail(t: f64, degrees: usize) -> f64 {
    if t.is_infinite() {
        return if t > 0.0 { 0.0 } else { 1.0 };
    }
    let angle = (t / (degrees as f64).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    // The sum begins with the term of cosine^1 or cosine^0, and each further term has two factors more.
    let odd = degrees % 2 == 1;
    let mut term = if odd { cosine } else { 1.0 };
    let mut sum = if degrees == 1 { 0.0 } else { term };
    let mut power = if odd { 3 } else { 2 };
    while power + 2 <= degrees {
        term *= cosine * cosine * (power - 1) as f64 / power as f64;
        sum += term;
        power += 2;
    }
    // The probability of a value between -t and t.
    let between = if odd { FRAC_2_PI * sine.mul_add(sum, angle) } else { sine * sum };
    (0.5 * (1.0 - between)).clamp(0.0, 1.0)
}

/// The value that Student's t exceeds with this probability, which must be below one half.
pub(super) fn quantile(upper_probability: f64, degrees: usize) -> f64 {
    // With the substitution t = tan(x) the whole half line is an interval, and bisection ends after the bits of a double.
    let (mut low, mut high) = (0.0, PI / 2.0);
    for _ in 0..64 {
        let middle = f64::midpoint(low, high);
        if upper_tail(middle.tan(), degrees) > upper_probability { low = middle } else { high = middle }
    }
    f64::midpoint(low, high).tan()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Printed tables of the 0.5 % points.
    const TABLE: [(usize, f64); 8] = [
        (1, 63.656_74),
        (2, 9.924_84),
        (3, 5.840_91),
        (4, 4.604_09),
        (5, 4.032_14),
        (11, 3.105_81),
        (23, 2.807_34),
        (47, 2.684_56),
    ];

    #[test]
    fn quantiles_are_those_of_printed_tables() {
        for (degrees, expected) in TABLE {
            let found = quantile(0.005, degrees);
            assert!((found - expected).abs() < 1e-5 * expected, "{degrees}: {found}, not {expected}");
        }
    }

    #[test]
    fn tails_are_symmetric_and_fall() {
        for degrees in 1..60 {
            assert!((upper_tail(0.0, degrees) - 0.5).abs() < 1e-12);
            let tails: Vec<f64> = (-40..=40).map(|step| upper_tail(f64::from(step) / 4.0, degrees)).collect();
            assert!(tails.windows(2).all(|pair| pair[0] > pair[1]), "{degrees}: {tails:?}");
            assert!(tails.iter().zip(tails.iter().rev()).all(|(up, down)| (up + down - 1.0).abs() < 1e-12));
        }
        assert_eq!((upper_tail(f64::INFINITY, 5), upper_tail(f64::NEG_INFINITY, 5)), (0.0, 1.0));
    }
}
