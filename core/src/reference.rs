//! What a result must be, independent of every implementation.

use crate::tensor::HostTensor;

/// What one output must be.
pub enum Expected {
    /// These bits: every NaN, zero and rounding is decided.
    Bits(HostTensor),
    /// Each element lies within its bound of its value.
    Within(Bounded),
}

/// Values in f64 and the derived error bound of each.
///
/// An element passes when rounding some real number of `[value - bound, value + bound]` to the output's dtype (to
/// nearest, ties to even) gives it. Where `value` is NaN or infinite the element must be the canonical NaN or that
/// infinity; the bound is then ignored. Zeros of either sign are equal where the bound is positive; where it is 0 nothing
/// is rounded before the last step, and the sign is decided as well.
pub struct Bounded {
    /// The exact or nearly exact result of each element, in f64.
    pub values: Vec<f64>,
    /// The largest error that the operator's definition permits each element *before* its last rounding, in the
    /// unit of the value. The derivation stands with the operator.
    pub bounds: Vec<f64>,
    /// Whether the definition is exact for these inputs, so that the rounded value must match bit for bit.
    pub exact: bool,
}

/// What all outputs must be, in the problem's order.
pub struct Reference {
    /// One for each output.
    pub outputs: Vec<Expected>,
}
