//! Order statistics: what is said of samples without any belief about their distribution.

use crate::observation::RatioFacts;

/// Samples in ascending order; at least one, none of them NaN.
pub(super) struct Sorted(Vec<f64>);

impl Sorted {
    /// Sorts samples.
    ///
    /// # Panics
    /// If there is none.
    pub(super) fn new(mut samples: Vec<f64>) -> Self {
        assert!(!samples.is_empty(), "nothing can be said of no sample");
        samples.sort_unstable_by(f64::total_cmp);
        Self(samples)
    }

    /// The value below which this fraction of the samples lies, interpolated between the two nearest.
    pub(super) fn quantile(&self, fraction: f64) -> f64 {
        let place = fraction * (self.0.len() - 1) as f64;
        let (below, above) = (self.0[place.floor() as usize], self.0[place.ceil() as usize]);
        below + (above - below) * place.fract()
    }

    pub(super) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    pub(super) fn minimum(&self) -> f64 {
        self.0[0]
    }

    pub(super) fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    /// The range of the middle half, scaled to the standard deviation of a normal distribution, over the median.
    pub(super) fn noise(&self) -> f64 {
        (self.quantile(0.75) - self.quantile(0.25)) / 1.349 / self.median()
    }

    /// The median and its 95 % confidence interval between two order statistics: the number of samples below the true
    /// median is binomial with p = 1/2, here in its normal approximation, rounded outwards.
    pub(super) fn interval(&self) -> RatioFacts {
        let count = self.0.len() as f64;
        let reach = 1.96 * count.sqrt() / 2.0;
        // Ranks count from 1.
        let low = (count / 2.0 - reach).floor().max(1.0);
        let high = (count / 2.0 + 1.0 + reach).ceil().min(count);
        RatioFacts { median: self.median(), low: self.0[low as usize - 1], high: self.0[high as usize - 1] }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::{
        ChaCha8Rng,
        rand_core::{Rng, SeedableRng},
    };

    use super::*;

    #[test]
    fn quantiles_are_interpolated() {
        let sorted = Sorted::new(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!([0.0, 0.25, 0.5, 1.0].map(|fraction| sorted.quantile(fraction)), [1.0, 1.75, 2.5, 4.0]);
        assert_eq!((sorted.minimum(), sorted.mean(), sorted.median()), (1.0, 2.5, 2.5));
        assert_eq!(Sorted::new(vec![7.0]).interval(), RatioFacts { median: 7.0, low: 7.0, high: 7.0 });
    }

    #[test]
    fn one_outlier_changes_neither_median_nor_noise_much() {
        let quiet: Vec<f64> = (0..21).map(|number| 1.0 + f64::from(number) / 1000.0).collect();
        let disturbed = Sorted::new([quiet.as_slice(), &[50.0]].concat());
        let quiet = Sorted::new(quiet);
        assert!((quiet.median() - disturbed.median()).abs() < 0.001);
        assert!(disturbed.noise() < 1.2 * quiet.noise());
        assert!(disturbed.mean() > 3.0 * quiet.mean());
    }

    #[test]
    fn the_interval_holds_the_true_median_in_95_of_100_cases() {
        let mut generator = ChaCha8Rng::seed_from_u64(1);
        let mut uniform = || f64::from(generator.next_u32()) / 2_f64.powi(32);
        for samples in [6, 20, 101] {
            let held = (0..1000).filter(|_| {
                // Skewed, as times are: its median is exp(0) = 1.
                let RatioFacts { low, high, .. } =
                    Sorted::new((0..samples).map(|_| (uniform() - 0.5).exp()).collect()).interval();
                low <= 1.0 && 1.0 <= high
            });
            let held = held.count();
            assert!(held >= 940, "{samples} samples: {held} of 1000");
        }
    }
}
