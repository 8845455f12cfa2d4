//! Two tensors in, facts out: never a bool, never a tolerance.
//!
//! Zeros of different sign and NaN of different payload are different bits, and are reported as such where bits are
//! compared. Against bounds, what an element may be follows from [`Bounded`] and from how its dtype rounds.

mod display;
mod element;
mod fold;

use half::{bf16, f16};
use serde::{Deserialize, Serialize};

use crate::{dtype::DType, reference::Bounded, tensor::HostTensor};

/// One element that is not what it must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Offset in row-major order.
    pub offset: u64,
    /// Coordinates, slowest axis first.
    pub index: Vec<usize>,
    /// The expected element's bits, in hexadecimal with as many digits as the dtype has.
    pub expected_bits: String,
    /// The actual element's bits.
    pub actual_bits: String,
    /// The expected value. Against bounds, the value before it is rounded, in f64.
    pub expected: String,
    /// The actual value.
    pub actual: String,
    /// How many representable values of the dtype lie between them; `None` if either is NaN. Both zeros are one value.
    pub ulps: Option<u64>,
    /// The error over the bound, where there is a bound.
    pub fraction_of_bound: Option<f64>,
}

/// How many elements are how many ULPs off: bucket 0 holds those that are not off, bucket `k` errors in
/// `[2^(k-1), 2^k)`, the last one everything larger, NaN against a number and against another NaN included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UlpHistogram(pub [u64; 12]);

/// What comparing one output found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The output's name.
    pub tensor: String,
    /// How many elements were compared.
    pub elements: u64,
    /// How many are not what they must be: other bits, or outside their bound.
    pub differing: u64,
    /// The differing element with the least offset.
    pub first: Option<Difference>,
    /// The differing element with the largest error: in fractions of its bound where there is one, else in ULPs. NaN
    /// against a number is larger than every number of ULPs; of equal errors, the one with the least offset.
    pub worst: Option<Difference>,
    /// The largest distance in ULPs of any element, differing or not.
    pub max_ulps: u64,
    /// The largest error over its bound of any element, where there are bounds: how much of its bound had to be used for
    /// the element to be the right rounding of something. `f64::MAX` where no bound would do, or the bound is 0 and the
    /// element is not exact: JSON has no infinity.
    pub max_fraction_of_bound: Option<f64>,
    /// Distances of all elements.
    pub histogram: UlpHistogram,
}

/// Compares every bit of two tensors of one dtype and shape.
///
/// # Panics
/// If dtypes or shapes differ: outputs are allocated from the problem's specs.
pub fn compare_bits(expected: &HostTensor, actual: &HostTensor) -> Comparison {
    assert_eq!(
        (expected.dtype(), expected.shape()),
        (actual.dtype(), actual.shape()),
        "`{}` must have the expected dtype and shape",
        actual.name()
    );
    match actual.dtype() {
        DType::F32 => fold::compare_bits::<f32>(expected, actual),
        DType::F16 => fold::compare_bits::<f16>(expected, actual),
        DType::Bf16 => fold::compare_bits::<bf16>(expected, actual),
        DType::I32 => fold::compare_bits::<i32>(expected, actual),
        DType::I64 => fold::compare_bits::<i64>(expected, actual),
    }
}

/// Judges every element by its value and bound.
///
/// # Panics
/// If there is not one value and one bound for each element.
pub fn compare_bounded(expected: &Bounded, actual: &HostTensor) -> Comparison {
    let elements = actual.shape().elements();
    assert_eq!((expected.values.len(), expected.bounds.len()), (elements, elements), "`{}`", actual.name());
    match actual.dtype() {
        DType::F32 => fold::compare_bounded::<f32>(expected, actual),
        DType::F16 => fold::compare_bounded::<f16>(expected, actual),
        DType::Bf16 => fold::compare_bounded::<bf16>(expected, actual),
        DType::I32 => fold::compare_bounded::<i32>(expected, actual),
        DType::I64 => fold::compare_bounded::<i64>(expected, actual),
    }
}
