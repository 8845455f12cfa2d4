//! Dense tensors in host memory, with guard bytes around the payload.

use std::alloc::{Layout, handle_alloc_error};

use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Serialize};

use crate::{
    cpu::pages,
    dtype::{DType, Element},
    shape::{Shape, ShapeTooLarge},
};

/// Alignment of the payload in bytes: a cache line, and the widest vector register.
pub const ALIGNMENT_BYTES: usize = 64;

/// Guard bytes on each side of the payload.
pub const GUARD_BYTES: usize = 4 * ALIGNMENT_BYTES;

/// What guard bytes hold; an implementation that writes outside its output disturbs them.
const GUARD_PATTERN: u8 = 0xA5;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Line([u8; ALIGNMENT_BYTES]);

/// Zeroed lines. Where there is no memory the process ends as it does for a `Vec`: with the number of bytes asked for.
fn allocate(lines: usize) -> Vec<Line> {
    pages::filled(Line::zeroed(), lines)
        .unwrap_or_else(|_| handle_alloc_error(Layout::array::<Line>(lines).expect("shapes are limited")))
}

/// Name, element type and shape of an input or output of an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorSpec {
    /// The name that diagnostics use, such as `x` or `voxels`.
    pub name: String,
    /// The element type.
    pub dtype: DType,
    /// The extents, slowest axis first.
    pub shape: Shape,
}

impl TensorSpec {
    /// A named tensor of these extents.
    pub fn new(name: impl Into<String>, dtype: DType, extents: impl Into<Vec<usize>>) -> Result<Self, ShapeTooLarge> {
        Ok(Self { name: name.into(), dtype, shape: Shape::new(extents, dtype)? })
    }

    /// Size of the payload in bytes.
    pub fn bytes(&self) -> usize {
        self.shape.elements() * self.dtype.size_bytes()
    }
}

/// A byte outside the payload that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("`{tensor}`: byte {distance} {side} the payload was overwritten")]
pub struct GuardViolation {
    /// The tensor whose guard was disturbed.
    pub tensor: String,
    /// Which guard.
    pub side: GuardSide,
    /// Distance in bytes from the payload's nearest end; 1 is the adjacent byte.
    pub distance: usize,
}

/// On which side of the payload a guard lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuardSide {
    /// In front of the first element.
    Before,
    /// Behind the last element.
    After,
}

impl std::fmt::Display for GuardSide {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Before => "before",
            Self::After => "after",
        })
    }
}

/// A dense row-major tensor in host memory.
///
/// The payload is aligned to [`ALIGNMENT_BYTES`] and lies between two guards of [`GUARD_BYTES`].
pub struct HostTensor {
    spec: TensorSpec,
    lines: Vec<Line>,
}

impl Clone for HostTensor {
    fn clone(&self) -> Self {
        Self { spec: self.spec.clone(), lines: pages::copied(&self.lines) }
    }
}

impl HostTensor {
    /// A tensor of zeros with intact guards.
    pub fn zeros(spec: TensorSpec) -> Self {
        let guard_lines = GUARD_BYTES / ALIGNMENT_BYTES;
        let lines = 2 * guard_lines + spec.bytes().div_ceil(ALIGNMENT_BYTES);
        let mut tensor = Self { lines: allocate(lines), spec };
        let end = GUARD_BYTES + tensor.spec.bytes();
        let all: &mut [u8] = bytemuck::cast_slice_mut(&mut tensor.lines);
        all[..GUARD_BYTES].fill(GUARD_PATTERN);
        all[end..].fill(GUARD_PATTERN);
        tensor
    }

    /// A tensor whose every payload byte is `pattern`, for outputs that must be written completely.
    pub fn poisoned(spec: TensorSpec, pattern: u8) -> Self {
        let mut tensor = Self::zeros(spec);
        tensor.bytes_mut().fill(pattern);
        tensor
    }

    /// A tensor of these elements.
    ///
    /// # Panics
    /// If `elements` does not have the number and type of elements that `spec` says.
    pub fn from_slice<E: Element>(spec: TensorSpec, elements: &[E]) -> Self {
        let mut tensor = Self::zeros(spec);
        tensor.as_mut_slice::<E>().copy_from_slice(elements);
        tensor
    }

    /// Name, element type and shape.
    pub fn spec(&self) -> &TensorSpec {
        &self.spec
    }

    /// The name that diagnostics use.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.spec.dtype
    }

    /// The extents.
    pub fn shape(&self) -> &Shape {
        &self.spec.shape
    }

    /// The payload.
    pub fn bytes(&self) -> &[u8] {
        &self.guarded_bytes()[GUARD_BYTES..GUARD_BYTES + self.spec.bytes()]
    }

    /// The payload, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let length = self.spec.bytes();
        &mut bytemuck::cast_slice_mut(&mut self.lines)[GUARD_BYTES..GUARD_BYTES + length]
    }

    /// The payload with both guards, as it lies in memory.
    pub fn guarded_bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.lines)
    }

    /// The payload with both guards, to be overwritten with a copy of another memory's.
    pub(crate) fn guarded_bytes_mut(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.lines)
    }

    /// The elements.
    ///
    /// # Panics
    /// If the tensor's element type is not `E`: operators check dtypes before they take slices.
    pub fn as_slice<E: Element>(&self) -> &[E] {
        assert_eq!(self.spec.dtype, E::DTYPE, "`{}` holds {}", self.spec.name, self.spec.dtype);
        bytemuck::cast_slice(self.bytes())
    }

    /// The elements, to be written.
    ///
    /// # Panics
    /// If the tensor's element type is not `E`.
    pub fn as_mut_slice<E: Element>(&mut self) -> &mut [E] {
        assert_eq!(self.spec.dtype, E::DTYPE, "`{}` holds {}", self.spec.name, self.spec.dtype);
        bytemuck::cast_slice_mut(self.bytes_mut())
    }

    /// Fails if a byte beside the payload was written since the tensor was made.
    pub fn check_guards(&self) -> Result<(), GuardViolation> {
        let all = self.guarded_bytes();
        let end = GUARD_BYTES + self.spec.bytes();
        let violation = |side, distance| GuardViolation { tensor: self.spec.name.clone(), side, distance };
        if let Some(position) = all[..GUARD_BYTES].iter().rposition(|&byte| byte != GUARD_PATTERN) {
            return Err(violation(GuardSide::Before, GUARD_BYTES - position));
        }
        if let Some(position) = all[end..].iter().position(|&byte| byte != GUARD_PATTERN) {
            return Err(violation(GuardSide::After, position + 1));
        }
        Ok(())
    }

    /// BLAKE3 of the payload. Names, dtypes and shapes are not part of it: it identifies bits only.
    pub fn hash(&self) -> blake3::Hash {
        blake3::hash(self.bytes())
    }
}

impl std::fmt::Debug for HostTensor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Payloads can be gigabytes; the hash says whether two are the same.
        write!(formatter, "{}: {}{} {}", self.spec.name, self.spec.dtype, self.spec.shape, self.hash().to_hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(elements: usize) -> HostTensor {
        HostTensor::zeros(TensorSpec::new("y", DType::Bf16, [elements]).unwrap())
    }

    #[test]
    fn payload_is_aligned_and_guards_are_intact() {
        for elements in [0, 1, 31, 32, 33, 1000] {
            let tensor = tensor(elements);
            assert_eq!(tensor.bytes().len(), 2 * elements);
            assert_eq!(tensor.bytes().as_ptr() as usize % ALIGNMENT_BYTES, 0);
            assert_eq!(tensor.check_guards(), Ok(()));
        }
    }

    #[test]
    fn a_write_past_either_end_is_found_and_placed() {
        let mut after = tensor(5);
        let end = GUARD_BYTES + after.spec.bytes();
        bytemuck::cast_slice_mut::<Line, u8>(&mut after.lines)[end] = 0;
        let violation = after.check_guards().unwrap_err();
        assert_eq!((violation.side, violation.distance), (GuardSide::After, 1));

        let mut before = tensor(5);
        bytemuck::cast_slice_mut::<Line, u8>(&mut before.lines)[GUARD_BYTES - 3] = 0;
        let violation = before.check_guards().unwrap_err();
        assert_eq!((violation.side, violation.distance), (GuardSide::Before, 3));
    }
}
