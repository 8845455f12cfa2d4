//! Rows of tensors taken, reordered and joined, for relations.

use std::ops::Range;

use crate::{
    dtype::DType,
    tensor::{HostTensor, TensorSpec},
};

/// A tensor of the same shape whose row `r` is row `from[r]` of `tensor`; a row is what is left of an element's
/// coordinates after the first `axes`.
pub(crate) fn gather_rows(tensor: &HostTensor, axes: usize, from: &[usize]) -> HostTensor {
    let width = row_bytes(tensor.dtype(), &tensor.shape().extents()[axes..]);
    let mut gathered = HostTensor::zeros(tensor.spec().clone());
    for (row, &from) in gathered.bytes_mut().chunks_exact_mut(width).zip(from) {
        row.copy_from_slice(&tensor.bytes()[from * width..][..width]);
    }
    gathered
}

/// The entries `range` of the slowest axis.
pub(crate) fn take_rows(tensor: &HostTensor, range: Range<usize>) -> HostTensor {
    let width = tensor.dtype().size_bytes() * tensor.shape().extents()[1..].iter().product::<usize>();
    let mut extents = tensor.shape().extents().to_vec();
    extents[0] = range.len();
    let spec = TensorSpec::new(tensor.name(), tensor.dtype(), extents).expect("no larger than the whole");
    let mut part = HostTensor::zeros(spec);
    part.bytes_mut().copy_from_slice(&tensor.bytes()[range.start * width..range.end * width]);
    part
}

/// The parts one after the other along the slowest axis.
pub(crate) fn join_rows(spec: TensorSpec, parts: &[HostTensor]) -> HostTensor {
    let mut joined = HostTensor::zeros(spec);
    let mut rest = joined.bytes_mut();
    for part in parts {
        let (here, after) = rest.split_at_mut(part.bytes().len());
        here.copy_from_slice(part.bytes());
        rest = after;
    }
    assert!(rest.is_empty(), "the parts are smaller than the whole");
    joined
}

/// The parts side by side along the fastest axis.
pub(crate) fn join_columns(spec: TensorSpec, parts: &[HostTensor]) -> HostTensor {
    let width = |tensor: &HostTensor| {
        let last = tensor.shape().extents().len() - 1;
        row_bytes(tensor.dtype(), &tensor.shape().extents()[last..])
    };
    let mut joined = HostTensor::zeros(spec);
    let total = width(&joined);
    let mut first = 0;
    for part in parts {
        let width = width(part);
        let rows = joined.bytes_mut().chunks_exact_mut(total).zip(part.bytes().chunks_exact(width));
        for (row, part) in rows {
            row[first..][..width].copy_from_slice(part);
        }
        first += width;
    }
    assert_eq!(first, total, "the parts are narrower than the whole");
    joined
}

/// Bytes of a row; axes behind it have at least one entry in every operator here.
fn row_bytes(dtype: DType, extents: &[usize]) -> usize {
    dtype.size_bytes() * extents.iter().product::<usize>()
}
