//! Extents of a tensor.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::dtype::DType;

/// The extents of a tensor, slowest axis first. Storage is always dense and row-major.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shape(Vec<usize>);

/// A shape whose elements cannot be addressed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("shape {extents:?} of {dtype} needs more than {limit} bytes; make an axis smaller")]
pub struct ShapeTooLarge {
    /// The extents asked for.
    pub extents: Vec<usize>,
    /// The element type asked for.
    pub dtype: DType,
    /// The largest size in bytes that can be addressed.
    pub limit: usize,
}

impl Shape {
    /// The largest tensor, in bytes, that one allocation can hold.
    pub const LIMIT_BYTES: usize = isize::MAX as usize / 2;

    /// Extents whose volume in bytes of `dtype` can be addressed; an extent of zero is legal.
    pub fn new(extents: impl Into<Vec<usize>>, dtype: DType) -> Result<Self, ShapeTooLarge> {
        let extents = extents.into();
        // Zero extents are left out of the product: [huge, huge, 0] must be refused in every order of its axes.
        let bytes = extents
            .iter()
            .filter(|&&extent| extent != 0)
            .try_fold(dtype.size_bytes(), |bytes, &extent| bytes.checked_mul(extent));
        match bytes {
            Some(bytes) if bytes <= Self::LIMIT_BYTES => Ok(Self(extents)),
            Some(_) | None => Err(ShapeTooLarge { extents, dtype, limit: Self::LIMIT_BYTES }),
        }
    }

    /// The extents, slowest axis first.
    pub fn extents(&self) -> &[usize] {
        &self.0
    }

    /// The number of elements: the product of the extents.
    pub fn elements(&self) -> usize {
        self.0.iter().product()
    }

    /// The coordinates of the element at `offset` in row-major order.
    pub fn coordinates(&self, mut offset: usize) -> Vec<usize> {
        let mut coordinates = vec![0; self.0.len()];
        for (coordinate, &extent) in coordinates.iter_mut().zip(&self.0).rev() {
            *coordinate = offset % extent.max(1);
            offset /= extent.max(1);
        }
        coordinates
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_invert_row_major_offsets() {
        let shape = Shape::new([2, 3, 4], DType::F32).unwrap();
        assert_eq!(shape.elements(), 24);
        assert_eq!(shape.coordinates(0), [0, 0, 0]);
        assert_eq!(shape.coordinates(23), [1, 2, 3]);
        assert_eq!(shape.coordinates(17), [1, 1, 1]);
    }

    #[test]
    fn overflow_is_refused_also_beside_a_zero_extent() {
        for extents in [[usize::MAX, 2, 1], [usize::MAX, 2, 0], [0, usize::MAX, 2]] {
            assert!(Shape::new(extents, DType::Bf16).is_err());
        }
        assert_eq!(Shape::new([0, 7], DType::I64).unwrap().elements(), 0);
    }
}
