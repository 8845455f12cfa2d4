//! Rational arithmetic for tests: the mean by its definition, slowly, and by nothing that implementations or references
//! use.

use num_bigint::BigInt;
use num_rational::Ratio;

type Rational = Ratio<BigInt>;

/// A finite f32 as a rational number, through its exact decimal expansion: 149 digits hold every one.
fn rational(value: f32) -> Rational {
    let digits = format!("{value:.149}").replace('.', "");
    Ratio::new(digits.parse().expect("decimal digits"), BigInt::from(10).pow(149))
}

/// Whether `mean` is the f32 nearest to the exact mean of finite `values`, and even if two are.
pub(super) fn is_nearest(values: &[f32], mean: f32) -> bool {
    let zero = Rational::from(BigInt::ZERO);
    let sum = values.iter().fold(zero.clone(), |sum, value| sum + rational(*value));
    let exact = sum / Rational::from(BigInt::from(values.len()));
    if exact == zero {
        return mean.to_bits() == 0;
    }
    let distance = |candidate: f32| {
        let difference = rational(candidate) - exact.clone();
        if difference < zero { -difference } else { difference }
    };
    let here = distance(mean);
    [mean.next_up(), mean.next_down()].into_iter().filter(|neighbour| neighbour.is_finite()).all(|neighbour| {
        let there = distance(neighbour);
        here < there || (here == there && mean.to_bits().is_multiple_of(2))
    })
}
