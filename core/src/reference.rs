//! What a result must be, independent of every implementation.

use half::{bf16, f16};

use crate::{
    dtype::{DType, Element, Float},
    tensor::{HostTensor, TensorSpec},
};

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

impl Bounded {
    /// Each value rounded once to the dtype of `spec`: to nearest, ties to even, and NaN to the canonical one.
    ///
    /// # Panics
    /// If there is not one value for each element.
    pub fn nearest(&self, spec: TensorSpec) -> HostTensor {
        let mut tensor = HostTensor::zeros(spec);
        match tensor.dtype() {
            DType::F32 => self.fill(tensor.as_mut_slice(), |value| f32::narrow(value as f32)),
            DType::F16 => self.fill(tensor.as_mut_slice(), |value| f16::from_f64(value).canonical()),
            DType::Bf16 => self.fill(tensor.as_mut_slice(), |value| bf16::from_f64(value).canonical()),
            DType::I32 => self.fill(tensor.as_mut_slice(), |value| value as i32),
            DType::I64 => self.fill(tensor.as_mut_slice(), |value| value as i64),
        }
        tensor
    }

    fn fill<E: Element>(&self, elements: &mut [E], round: impl Fn(f64) -> E) {
        assert_eq!(self.values.len(), elements.len(), "one value for each element");
        for (element, &value) in elements.iter_mut().zip(&self.values) {
            *element = round(value);
        }
    }
}
