//! Folds the judgements of all elements into one comparison; the same for any number of threads.

use rayon::prelude::*;

use super::{Comparison, Difference, UlpHistogram, element::Comparable};
use crate::{reference::Bounded, tensor::HostTensor};

/// Elements that one task judges; bits of so many are first compared as a whole.
const CHUNK_ELEMENTS: usize = 1 << 16;

/// The fraction of a bound that no bound would satisfy.
const NO_BOUND: f64 = f64::MAX;

/// What is found of one element.
#[derive(Clone, Copy)]
struct Judgement {
    differs: bool,
    /// `None` if it, or what it must be, is NaN, and the other is not the same.
    ulps: Option<u64>,
    /// 0 where there is no bound.
    fraction: f64,
}

const RIGHT: Judgement = Judgement { differs: false, ulps: Some(0), fraction: 0.0 };

/// What is found of several elements.
#[derive(Clone, Copy, Default)]
struct Findings {
    differing: u64,
    first: Option<usize>,
    /// Severity and offset.
    worst: Option<(u64, usize)>,
    max_ulps: u64,
    max_fraction: f64,
    histogram: [u64; 12],
}

impl Findings {
    /// Findings of elements of which all are right.
    fn all_right(elements: usize) -> Self {
        let mut findings = Self::default();
        findings.histogram[0] = elements as u64;
        findings
    }

    /// Adds an element behind all others; `severity` orders differing elements.
    fn add(&mut self, offset: usize, judgement: Judgement, severity: u64) {
        if !judgement.differs && judgement.ulps == Some(0) {
            // Nearly every element, so nearly all of the time.
            self.histogram[0] += 1;
            return;
        }
        self.histogram[bucket(judgement.ulps)] += 1;
        self.max_ulps = self.max_ulps.max(judgement.ulps.unwrap_or(0));
        self.max_fraction = self.max_fraction.max(judgement.fraction);
        if judgement.differs {
            self.differing += 1;
            self.first = self.first.or(Some(offset));
            if self.worst.is_none_or(|(worst, _)| severity > worst) {
                self.worst = Some((severity, offset));
            }
        }
    }

    /// Both together; `later` is of larger offsets.
    fn join(mut self, later: Self) -> Self {
        self.differing += later.differing;
        self.first = self.first.or(later.first);
        self.worst = match (self.worst, later.worst) {
            (Some(here), Some(there)) => Some(if there.0 > here.0 { there } else { here }),
            (here, there) => here.or(there),
        };
        self.max_ulps = self.max_ulps.max(later.max_ulps);
        self.max_fraction = self.max_fraction.max(later.max_fraction);
        for (count, more) in self.histogram.iter_mut().zip(later.histogram) {
            *count += more;
        }
        self
    }

    fn into_comparison(self, tensor: &HostTensor, bounded: bool, describe: impl Fn(usize) -> Difference) -> Comparison {
        Comparison {
            tensor: tensor.name().to_owned(),
            elements: tensor.shape().elements() as u64,
            differing: self.differing,
            first: self.first.map(&describe),
            worst: self.worst.map(|(_, offset)| describe(offset)),
            max_ulps: self.max_ulps,
            max_fraction_of_bound: bounded.then_some(self.max_fraction),
            histogram: UlpHistogram(self.histogram),
        }
    }
}

/// The histogram's bucket of a distance.
fn bucket(ulps: Option<u64>) -> usize {
    let last = UlpHistogram::default().0.len() - 1;
    match ulps {
        None => last,
        Some(0) => 0,
        Some(ulps) => (ulps.ilog2() as usize + 1).min(last),
    }
}

pub(super) fn compare_bits<E: Comparable>(expected: &HostTensor, actual: &HostTensor) -> Comparison {
    let (wanted, found) = (expected.as_slice::<E>(), actual.as_slice::<E>());
    let chunks = wanted.par_chunks(CHUNK_ELEMENTS).zip(found.par_chunks(CHUNK_ELEMENTS)).enumerate();
    let findings = chunks
        .map(|(chunk, (wanted, found))| {
            if bytemuck::cast_slice::<E, u8>(wanted) == bytemuck::cast_slice::<E, u8>(found) {
                return Findings::all_right(found.len());
            }
            let mut findings = Findings::default();
            for (offset, (&wanted, &found)) in wanted.iter().zip(found).enumerate() {
                let judgement = judge_bits(wanted, found);
                findings.add(chunk * CHUNK_ELEMENTS + offset, judgement, judgement.ulps.unwrap_or(u64::MAX));
            }
            findings
        })
        .reduce(Findings::default, Findings::join);
    findings.into_comparison(actual, false, |offset| Difference {
        offset: offset as u64,
        index: actual.shape().coordinates(offset),
        expected_bits: hexadecimal::<E>(wanted[offset].pattern()),
        actual_bits: hexadecimal::<E>(found[offset].pattern()),
        expected: format!("{:?}", wanted[offset]),
        actual: format!("{:?}", found[offset]),
        ulps: judge_bits(wanted[offset], found[offset]).ulps,
        fraction_of_bound: None,
    })
}

fn judge_bits<E: Comparable>(wanted: E, found: E) -> Judgement {
    if wanted.pattern() == found.pattern() {
        return RIGHT;
    }
    let ulps = wanted.rank().zip(found.rank()).map(|(wanted, found)| wanted.abs_diff(found));
    Judgement { differs: true, ulps, fraction: 0.0 }
}

pub(super) fn compare_bounded<E: Comparable>(expected: &Bounded, actual: &HostTensor) -> Comparison {
    let Bounded { values, bounds, exact } = expected;
    let found = actual.as_slice::<E>();
    let judge = |offset: usize| judge_bounded(values[offset], bounds[offset], *exact, found[offset]);
    let findings = (0..found.len().div_ceil(CHUNK_ELEMENTS))
        .into_par_iter()
        .map(|chunk| {
            let mut findings = Findings::default();
            for offset in (chunk * CHUNK_ELEMENTS..found.len()).take(CHUNK_ELEMENTS) {
                let judgement = judge(offset);
                // Non-negative f64 are ordered as their bits are.
                findings.add(offset, judgement, judgement.fraction.to_bits());
            }
            findings
        })
        .reduce(Findings::default, Findings::join);
    findings.into_comparison(actual, true, |offset| {
        let judgement = judge(offset);
        Difference {
            offset: offset as u64,
            index: actual.shape().coordinates(offset),
            expected_bits: hexadecimal::<E>(E::rounded_pattern(values[offset])),
            actual_bits: hexadecimal::<E>(found[offset].pattern()),
            expected: format!("{:e}", values[offset]),
            actual: format!("{:?}", found[offset]),
            ulps: judgement.ulps,
            fraction_of_bound: Some(judgement.fraction),
        }
    })
}

/// Judges one element as [`Bounded`] says.
fn judge_bounded<E: Comparable>(value: f64, bound: f64, exact: bool, found: E) -> Judgement {
    if value.is_nan() {
        let canonical = E::canonical_nan() == Some(found.pattern());
        return if canonical { RIGHT } else { Judgement { differs: true, ulps: None, fraction: NO_BOUND } };
    }
    let Some(rank) = found.rank() else {
        return Judgement { differs: true, ulps: None, fraction: NO_BOUND };
    };
    let nearest = E::round(value);
    if rank == nearest {
        // Only the sign of a zero can still be another; it is decided where nothing is rounded before the last step.
        let decided = exact || bound == 0.0;
        return if decided && found.pattern() != E::rounded_pattern(value) {
            Judgement { differs: true, ulps: Some(0), fraction: NO_BOUND }
        } else {
            RIGHT
        };
    }
    let ulps = Some(rank.abs_diff(nearest));
    if value.is_infinite() || exact || bound <= 0.0 || bound.is_nan() {
        return Judgement { differs: true, ulps, fraction: NO_BOUND };
    }
    // How far the value is from the nearest number that rounds to the element.
    let needed = if rank > nearest { E::midpoint(rank - 1) - value } else { value - E::midpoint(rank) };
    let (least, largest) = (E::round(lower(value, bound)), E::round(upper(value, bound)));
    let differs = rank < least || rank > largest;
    Judgement { differs, ulps, fraction: (needed / bound).min(NO_BOUND) }
}

/// `value + bound` in f64, rounded up where it is not exact, so that no legal element is refused.
fn upper(value: f64, bound: f64) -> f64 {
    let sum = value + bound;
    let bound_in_sum = sum - value;
    let value_in_sum = sum - bound_in_sum;
    // Knuth's TwoSum: the error of the sum, exactly.
    let error = (value - value_in_sum) + (bound - bound_in_sum);
    if error > 0.0 { sum.next_up() } else { sum }
}

/// `value - bound` in f64, rounded down where it is not exact.
fn lower(value: f64, bound: f64) -> f64 {
    -upper(-value, bound)
}

/// All digits of an element's bits.
fn hexadecimal<E: Comparable>(pattern: u64) -> String {
    format!("0x{pattern:0digits$x}", digits = 2 * size_of::<E>())
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};
    use num_rational::BigRational;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        compare::{compare_bits, compare_bounded},
        dtype::{DType, Element},
        tensor::TensorSpec,
    };

    fn tensor<E: Element>(elements: &[E]) -> HostTensor {
        HostTensor::from_slice(TensorSpec::new("y", E::DTYPE, [elements.len()]).unwrap(), elements)
    }

    fn bounded(values: &[f64], bound: f64) -> Bounded {
        Bounded { values: values.to_vec(), bounds: vec![bound; values.len()], exact: false }
    }

    #[test]
    fn equal_bits_differ_nowhere_nan_included() {
        let elements = [1.0, f32::NAN, -0.0, f32::INFINITY];
        let comparison = compare_bits(&tensor(&elements), &tensor(&elements));
        assert_eq!((comparison.elements, comparison.differing), (4, 0));
        assert_eq!((comparison.first, comparison.worst), (None, None));
        assert_eq!(comparison.histogram.0[0], 4);
    }

    #[test]
    fn zeros_and_nan_payloads_are_told_apart() {
        let expected = tensor(&[0.0, f32::NAN, 1.0]);
        let actual = tensor(&[-0.0, f32::from_bits(0x7FC0_0001), 1.0]);
        let comparison = compare_bits(&expected, &actual);
        assert_eq!(comparison.differing, 2);
        let first = comparison.first.unwrap();
        assert_eq!((first.offset, first.ulps), (0, Some(0)));
        assert_eq!((first.expected_bits.as_str(), first.actual_bits.as_str()), ("0x00000000", "0x80000000"));
        let worst = comparison.worst.unwrap();
        assert_eq!((worst.offset, worst.ulps, worst.actual.as_str()), (1, None, "NaN"));
        assert_eq!(comparison.histogram.0, [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn first_and_worst_are_placed_across_chunks() {
        let shape = [3, CHUNK_ELEMENTS];
        let expected = HostTensor::zeros(TensorSpec::new("y", DType::I32, shape).unwrap());
        let mut actual = expected.clone();
        actual.as_mut_slice::<i32>()[CHUNK_ELEMENTS - 1] = 3;
        actual.as_mut_slice::<i32>()[2 * CHUNK_ELEMENTS + 5] = -1000;
        actual.as_mut_slice::<i32>()[2 * CHUNK_ELEMENTS + 6] = 1000;
        let comparison = compare_bits(&expected, &actual);
        assert_eq!((comparison.differing, comparison.max_ulps), (3, 1000));
        assert_eq!(comparison.first.unwrap().index, [0, CHUNK_ELEMENTS - 1]);
        let worst = comparison.worst.unwrap();
        assert_eq!((worst.index.as_slice(), worst.actual_bits.as_str()), ([2, 5].as_slice(), "0xfffffc18"));
        assert_eq!((comparison.histogram.0[2], comparison.histogram.0[10]), (1, 2));
    }

    #[test]
    fn of_equally_wrong_elements_the_first_is_the_worst_whatever_chunks_they_are_in() {
        let expected = HostTensor::zeros(TensorSpec::new("y", DType::I32, [2 * CHUNK_ELEMENTS]).unwrap());
        let mut actual = expected.clone();
        for offset in [3, 5, CHUNK_ELEMENTS + 2] {
            actual.as_mut_slice::<i32>()[offset] = 7;
        }
        assert_eq!(compare_bits(&expected, &actual).worst.unwrap().offset, 3);
    }

    #[test]
    fn every_element_of_every_chunk_is_held_against_its_bound_once() {
        let elements = 2 * CHUNK_ELEMENTS + 1;
        let wrong = [0, CHUNK_ELEMENTS, elements - 1];
        let mut found = vec![0.0_f32; elements];
        for offset in wrong {
            found[offset] = 1.0;
        }
        let comparison = compare_bounded(&bounded(&vec![0.0; elements], 0.0), &tensor(&found));
        assert_eq!((comparison.differing, comparison.histogram.0.iter().sum()), (3, elements as u64));
        assert_eq!(comparison.first.unwrap().offset, 0);
    }

    #[test]
    fn every_dtype_is_compared() {
        let differing = |expected: &HostTensor, actual: &HostTensor| compare_bits(expected, actual).worst.unwrap();
        assert_eq!(differing(&tensor(&[f16::ONE]), &tensor(&[f16::from_bits(0x3C02)])).ulps, Some(2));
        assert_eq!(differing(&tensor(&[bf16::ONE]), &tensor(&[-bf16::ONE])).ulps, Some(2 * 0x3F80));
        assert_eq!(differing(&tensor(&[i64::MIN]), &tensor(&[i64::MAX])).ulps, Some(u64::MAX));
    }

    #[test]
    fn an_element_passes_if_something_within_the_bound_rounds_to_it() {
        // Halves near 1 are 2^-10 apart: 1 + 2^-11 is the tie, and goes to 1.
        let value = 1.0 + 2.0_f64.powi(-11) - 2.0_f64.powi(-20);
        let above = f16::from_bits(0x3C01);
        let judged = |bound| compare_bounded(&bounded(&[value], bound), &tensor(&[above]));
        let passed = judged(2.0_f64.powi(-19));
        assert_eq!((passed.differing, passed.max_fraction_of_bound, passed.max_ulps), (0, Some(0.5), 1));
        // Just reaching the tie is not enough, for ties go to even.
        assert_eq!(judged(2.0_f64.powi(-20)).differing, 1);
        let failed = judged(2.0_f64.powi(-21));
        assert_eq!((failed.differing, failed.max_fraction_of_bound), (1, Some(2.0)));
        let exact = compare_bounded(&bounded(&[value], 0.0), &tensor(&[f16::ONE]));
        assert_eq!((exact.differing, exact.max_fraction_of_bound), (0, Some(0.0)));
    }

    #[test]
    fn no_bound_excuses_an_exact_result_and_what_is_no_bound_excuses_nothing() {
        let next = f16::from_bits(0x3C01);
        let judged = |expected: &Bounded| {
            let comparison = compare_bounded(expected, &tensor(&[next]));
            (comparison.differing, comparison.max_fraction_of_bound)
        };
        assert_eq!(judged(&bounded(&[1.0], 1.0)).0, 0);
        assert_eq!(judged(&Bounded { exact: true, ..bounded(&[1.0], 1.0) }), (1, Some(NO_BOUND)));
        for bound in [0.0, -1.0, f64::NAN] {
            assert_eq!(judged(&bounded(&[1.0], bound)), (1, Some(NO_BOUND)), "{bound}");
        }
    }

    #[test]
    fn infinity_passes_only_where_the_interval_reaches_overflow() {
        let infinity = tensor(&[f16::INFINITY]);
        assert_eq!(compare_bounded(&bounded(&[65519.0], 1.0), &infinity).differing, 0);
        assert_eq!(compare_bounded(&bounded(&[65519.0], 0.5), &infinity).differing, 1);
        assert_eq!(compare_bounded(&bounded(&[f64::INFINITY], 0.0), &infinity).differing, 0);
        assert_eq!(compare_bounded(&bounded(&[f64::NEG_INFINITY], 9.0), &infinity).differing, 1);
        assert_eq!(compare_bounded(&bounded(&[f64::INFINITY], 9.0), &tensor(&[f16::MAX])).differing, 1);
    }

    #[test]
    fn nan_must_be_the_canonical_one_and_expected() {
        let canonical = tensor(&[f32::from_bits(0x7FC0_0000)]);
        assert_eq!(compare_bounded(&bounded(&[f64::NAN], 0.0), &canonical).differing, 0);
        for wrong in [f32::from_bits(0xFFC0_0000), 0.0] {
            assert_eq!(compare_bounded(&bounded(&[f64::NAN], 1.0), &tensor(&[wrong])).differing, 1);
        }
        let found = compare_bounded(&bounded(&[1.0], f64::INFINITY), &canonical);
        assert_eq!((found.differing, found.max_fraction_of_bound), (1, Some(NO_BOUND)));
    }

    #[test]
    fn the_sign_of_zero_counts_where_nothing_was_rounded() {
        let negative = tensor(&[-0.0_f32]);
        assert_eq!(compare_bounded(&bounded(&[0.0], 1e-9), &negative).differing, 0);
        assert_eq!(compare_bounded(&bounded(&[0.0], 0.0), &negative).differing, 1);
        assert_eq!(compare_bounded(&bounded(&[-0.0], 0.0), &negative).differing, 0);
    }

    /// A finite f64 as a rational number.
    fn rational(value: f64) -> BigRational {
        BigRational::from_float(value).unwrap()
    }

    proptest! {
        /// The ends of an interval lie outside it by less than one f64, and not at all where they can be had exactly.
        #[test]
        fn intervals_are_widened_to_the_next_f64_and_no_further(
            value in -4.0_f64..4.0,
            bound in prop_oneof![0.0..8.0_f64, 0.0..1e-9_f64, Just(0.25)],
        ) {
            let (least, largest) = (rational(value) - rational(bound), rational(value) + rational(bound));
            prop_assert!(rational(lower(value, bound)) <= least && least < rational(lower(value, bound).next_up()));
            prop_assert!(rational(upper(value, bound).next_down()) < largest && largest <= rational(upper(value, bound)));
        }

        /// The judgement agrees with its definition: some number of the interval, tried at many places, rounds to it.
        #[test]
        fn judgements_follow_their_definition(value in -4.0_f64..4.0, bound in 0.0..0.02_f64, steps in -6_i64..=6) {
            let nearest = bf16::from_f64(value);
            let found = bf16::from_bits((i64::from(nearest.to_bits()) + steps) as u16);
            prop_assume!(found.is_finite() && nearest.is_finite());
            let rank = found.rank().unwrap();
            let reached = (0..=1000).any(|step| {
                bf16::round(value + bound * (f64::from(step) / 500.0 - 1.0)) == rank
            });
            let comparison = compare_bounded(&bounded(&[value], bound), &tensor(&[found]));
            if reached {
                prop_assert_eq!(comparison.differing, 0);
            }
            let fraction = comparison.max_fraction_of_bound.unwrap();
            prop_assert_eq!(comparison.differing == 0, fraction < 1.0 || comparison.max_ulps == 0);
        }
    }
}
