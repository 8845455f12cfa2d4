//! How far a robust mean of few noisy numbers may be off.

use rand_chacha::{ChaCha8Rng, rand_core::Rng};

/// Which part of the numbers is left out at either end: a burst that falls on one process in four rounds does no harm.
const TRIMMED: f64 = 0.25;

/// Resamples; the standard error is then itself uncertain by about 2 %.
const RESAMPLES: usize = 1000;

/// The mean of the middle half of `values`.
fn trimmed_mean(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let cut = (values.len() as f64 * TRIMMED) as usize;
    let middle = &values[cut..values.len() - cut];
    middle.iter().sum::<f64>() / middle.len() as f64
}

/// Where pairs lie: half way between the trimmed means of their first and of their second numbers.
pub(super) fn location(pairs: &[(f64, f64)]) -> f64 {
    let mut first: Vec<f64> = pairs.iter().map(|pair| pair.0).collect();
    let mut second: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
    f64::midpoint(trimmed_mean(&mut first), trimmed_mean(&mut second))
}

/// The standard error of the location of `pairs`: its standard deviation over samples drawn from them with replacement
/// (Efron and Tibshirani, *An Introduction to the Bootstrap*, chapter 6).
pub(super) fn standard_error(pairs: &[(f64, f64)], generator: &mut ChaCha8Rng) -> f64 {
    let mut resample = vec![(0.0, 0.0); pairs.len()];
    let locations: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            resample.fill_with(|| pairs[below(pairs.len(), generator)]);
            location(&resample)
        })
        .collect();
    let mean = locations.iter().sum::<f64>() / locations.len() as f64;
    let squares: f64 = locations.iter().map(|value| (value - mean).powi(2)).sum();
    // Drawing from n pairs instead of from what they were drawn from makes it too small by this factor.
    let degrees = (pairs.len() as f64 - 1.0).max(1.0);
    (squares / locations.len() as f64 * pairs.len() as f64 / degrees).sqrt()
}

/// A number below `limit`; its bias is below 2^-32 times the limit.
fn below(limit: usize, generator: &mut ChaCha8Rng) -> usize {
    ((u64::from(generator.next_u32()) * limit as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use robocache_core::random::Seed;

    use super::*;

    #[test]
    fn outliers_do_not_move_the_trimmed_mean() {
        assert_eq!(trimmed_mean(&mut [1e9, 2.0, 1.0, 3.0, 2.0, 3.0, 1.0, -1e9]), 2.0);
        assert_eq!(trimmed_mean(&mut [4.0]), 4.0);
    }

    #[test]
    fn the_standard_error_of_equal_numbers_is_zero_and_grows_with_their_spread() {
        let mut generator = Seed::root(1).generator();
        assert_eq!(standard_error(&[(3.0, 1.0); 12], &mut generator), 0.0);
        let narrow: Vec<(f64, f64)> = (0..24).map(f64::from).map(|value| (value, 2.0 * value)).collect();
        let wide: Vec<(f64, f64)> = narrow.iter().map(|pair| (10.0 * pair.0, 10.0 * pair.1)).collect();
        let seed = Seed::root(2);
        let (narrow, wide) =
            (standard_error(&narrow, &mut seed.generator()), standard_error(&wide, &mut seed.generator()));
        assert!((wide / narrow - 10.0).abs() < 1e-9, "{wide} {narrow}");
    }
}
