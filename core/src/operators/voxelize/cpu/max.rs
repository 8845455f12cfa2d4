//! Mode `max`.

use super::features::{self, Reduction, Rows};
use crate::{cpu::CpuOptions, dtype::Float, operators::voxelize::VoxelizeShape};

/// Writes to `voxels[X,Y,Z,F]` the IEEE 754-2019 `maximum` of the features `[N,F]` of the points `[N,3]` in each voxel,
/// 0 where there is none; gives the number of points dropped.
///
/// # Panics
/// If a length is not what `shape` says, if there are no features or more than `i32::MAX` points, if an extent of the
/// grid is zero or more than `i32::MAX`, or if a volume overflows.
pub fn max<E: Float>(
    shape: &VoxelizeShape,
    points: &[f32],
    features: &[E],
    voxels: &mut [f32],
    options: CpuOptions,
) -> u64 {
    let channels = shape.features;
    features::reduce(shape, points, features, voxels, options, || Maximum {
        keys: vec![0; channels],
        wide: vec![0.0; channels],
    })
}

/// Maxima as integers that are ordered as `maximum` orders the numbers.
struct Maximum {
    keys: Vec<i32>,
    wide: Vec<f32>,
}

impl Reduction for Maximum {
    #[inline(always)]
    fn reduce<E: Float>(&mut self, rows: Rows<'_, E>, points: &[u32], result: &mut [f32]) {
        if let &[point] = points {
            for (result, &feature) in result.iter_mut().zip(rows.widened(point, &mut self.wide)) {
                *result = feature.canonical();
            }
            return;
        }
        self.keys.fill(i32::MIN);
        for &point in points {
            for (key, &feature) in self.keys.iter_mut().zip(rows.widened(point, &mut self.wide)) {
                *key = (*key).max(to_key(feature));
            }
        }
        for (result, &key) in result.iter_mut().zip(&self.keys) {
            *result = from_key(key);
        }
    }
}

/// Numbers from -infinity over -0 and +0 to +infinity as ascending integers, and above them all NaN as one.
#[inline(always)]
fn to_key(number: f32) -> i32 {
    let bits = number.canonical().to_bits() as i32;
    // The magnitudes of negative numbers ascend the other way.
    bits ^ (bits >> 31 & i32::MAX)
}

#[inline(always)]
fn from_key(key: i32) -> f32 {
    f32::from_bits((key ^ (key >> 31 & i32::MAX)) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_ascend_as_maximum_orders_and_map_back() {
        let ascending =
            [f32::NEG_INFINITY, f32::MIN, -1.0, -1e-45, -0.0, 0.0, 1e-45, 1.0, f32::MAX, f32::INFINITY, f32::NAN];
        for pair in ascending.windows(2) {
            assert!(to_key(pair[0]) < to_key(pair[1]), "{pair:?}");
        }
        for number in ascending {
            assert_eq!(from_key(to_key(number)).to_bits(), number.canonical().to_bits());
        }
        assert_eq!(to_key(f32::from_bits(0xFF80_0001)), to_key(f32::NAN));
    }
}
