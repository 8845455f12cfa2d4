//! Two tensors in, facts out: never a bool, never a tolerance.

use serde::{Deserialize, Serialize};

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
    /// The expected value.
    pub expected: String,
    /// The actual value.
    pub actual: String,
    /// How many representable values of the dtype lie between them; `None` if either is NaN.
    pub ulps: Option<u64>,
    /// The error over the bound, where there is a bound.
    pub fraction_of_bound: Option<f64>,
}

/// How many elements are how many ULPs off: bucket 0 holds exact ones, bucket `k` errors in `[2^(k-1), 2^k)`, the last
/// one everything larger, NaN against a number included.
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
    /// The differing element with the largest error.
    pub worst: Option<Difference>,
    /// The largest distance in ULPs of any element, differing or not.
    pub max_ulps: u64,
    /// The largest error over its bound of any element, where there are bounds.
    pub max_fraction_of_bound: Option<f64>,
    /// Distances of all elements.
    pub histogram: UlpHistogram,
}
