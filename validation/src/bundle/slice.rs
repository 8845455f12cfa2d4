//! A smaller tensor out of a larger one.

use robocache_core::tensor::{HostTensor, TensorSpec};

/// Which elements are kept of an axis that becomes shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The first ones.
    Front,
    /// The last ones.
    Back,
}

/// The part of `tensor` that has the extents of `spec`; `None` if it has no such part.
pub(super) fn slice(tensor: &HostTensor, spec: &TensorSpec, end: End) -> Option<HostTensor> {
    let (old, new) = (tensor.shape().extents(), spec.shape.extents());
    let fits = old.len() == new.len() && old.iter().zip(new).all(|(old, new)| new <= old);
    if !fits || tensor.dtype() != spec.dtype {
        return None;
    }
    let mut part = HostTensor::zeros(spec.clone());
    let starts: Vec<usize> = old
        .iter()
        .zip(new)
        .map(|(old, new)| match end {
            End::Front => 0,
            End::Back => old - new,
        })
        .collect();
    let size = spec.dtype.size_bytes();
    // Rows along the fastest axis are contiguous in both.
    let row = new.last().copied().unwrap_or(1) * size;
    if row == 0 {
        return Some(part);
    }
    for (number, target) in part.bytes_mut().chunks_exact_mut(row).enumerate() {
        let coordinates = spec.shape.coordinates(number * row / size);
        let places = coordinates.iter().zip(&starts).zip(old);
        let offset =
            places.fold(0, |offset, ((coordinate, start), extent)| offset * extent + start + coordinate) * size;
        target.copy_from_slice(&tensor.bytes()[offset..offset + row]);
    }
    Some(part)
}

#[cfg(test)]
mod tests {
    use robocache_core::dtype::DType;

    use super::*;

    fn spec(extents: &[usize]) -> TensorSpec {
        TensorSpec::new("x", DType::I32, extents).unwrap()
    }

    #[test]
    fn either_end_of_every_axis_can_be_kept() {
        let whole = HostTensor::from_slice(spec(&[2, 3, 4]), &(0..24).collect::<Vec<i32>>());
        let part = |extents: &[usize], end| slice(&whole, &spec(extents), end).unwrap().as_slice::<i32>().to_vec();
        assert_eq!(part(&[1, 2, 2], End::Front), [0, 1, 4, 5]);
        assert_eq!(part(&[1, 2, 2], End::Back), [18, 19, 22, 23]);
        assert_eq!(part(&[2, 1, 4], End::Back), [8, 9, 10, 11, 20, 21, 22, 23]);
        assert_eq!(part(&[2, 3, 4], End::Back), (0..24).collect::<Vec<_>>());
        assert!(part(&[2, 0, 4], End::Front).is_empty());
        assert!(slice(&whole, &spec(&[2, 4, 4]), End::Front).is_none());
        assert!(slice(&whole, &spec(&[2, 3]), End::Front).is_none());
    }
}
