//! Mode `mean`.
//!
//! The result is the f32 nearest to the exact mean, so it cannot depend on the order of the points. Sums in f64 are
//! exact for most data: 53 bits hold f32 of 24 bits whose exponents differ by less than 29, less the carries. Knuth's
//! TwoSum gives the error of every addition. Where it was zero throughout, the sum is exact and one division remains;
//! elsewhere a [`Superaccumulator`] adds again.

use super::{
    features::{self, Reduction, Rows},
    superaccumulator::Superaccumulator,
};
use crate::{cpu::CpuOptions, dtype::Float, operators::voxelize::VoxelizeShape};

/// Writes to `voxels[X,Y,Z,F]` the correctly rounded mean of the features `[N,F]` of the points `[N,3]` in each voxel,
/// 0 where there is none; gives the number of points dropped.
///
/// An exactly zero mean is +0. Of infinite features the mean is that infinity, or NaN if their signs differ.
///
/// # Panics
/// If a length is not what `shape` says, if there are no features or more than `i32::MAX` points, if an extent of the
/// grid is zero or more than `i32::MAX`, or if a volume overflows.
pub fn mean<E: Float>(
    shape: &VoxelizeShape,
    points: &[f32],
    features: &[E],
    voxels: &mut [f32],
    options: CpuOptions,
) -> u64 {
    let channels = shape.features;
    features::reduce(shape, points, features, voxels, options, || Mean {
        sums: vec![0.0; channels],
        errors: vec![0.0; channels],
        wide: vec![0.0; channels],
    })
}

/// Sums of one voxel, by channel.
struct Mean {
    sums: Vec<f64>,
    /// Sum of the magnitudes of the errors of all additions: zero if and only if the sum is exact. NaN where a feature
    /// is not finite.
    errors: Vec<f64>,
    wide: Vec<f32>,
}

impl Reduction for Mean {
    #[inline(always)]
    fn reduce<E: Float>(&mut self, rows: Rows<'_, E>, points: &[u32], result: &mut [f32]) {
        if let &[point] = points {
            for (result, &feature) in result.iter_mut().zip(rows.widened(point, &mut self.wide)) {
                // The sum turns -0 into +0 and changes no other number.
                *result = (feature + 0.0).canonical();
            }
            return;
        }
        self.sums.fill(0.0);
        self.errors.fill(0.0);
        for &point in points {
            self.add(rows, point);
        }
        let channels = self.sums.iter().zip(&self.errors).enumerate();
        for ((channel, (&sum, &error)), result) in channels.zip(result) {
            *result = if error == 0.0 && points.len() <= MOST_DIVIDED {
                divide(sum, points.len())
            } else if sum.is_finite() {
                add_exactly(rows, channel, points)
            } else {
                // A sum of finite f32 is finite in f64: the features were not.
                f32::narrow(sum as f32)
            };
        }
    }
}

impl Mean {
    #[inline(always)]
    fn add<E: Float>(&mut self, rows: Rows<'_, E>, point: u32) {
        let sums = self.sums.iter_mut().zip(&mut self.errors);
        for ((sum, error), &feature) in sums.zip(rows.widened(point, &mut self.wide)) {
            let addend = f64::from(feature);
            let total = *sum + addend;
            let virtual_addend = total - *sum;
            *error += ((*sum - (total - virtual_addend)) + (addend - virtual_addend)).abs();
            *sum = total;
        }
    }
}

/// The mean of one voxel's channel in integers.
#[cold]
fn add_exactly<E: Float>(rows: Rows<'_, E>, channel: usize, points: &[u32]) -> f32 {
    let mut sum = Superaccumulator::default();
    for &point in points {
        sum.add(rows.row(point)[channel].widen());
    }
    sum.mean(points.len() as u32)
}

/// Points of a voxel up to which [`divide`] rounds correctly.
const MOST_DIVIDED: usize = 1 << 26;

/// The f32 nearest to `sum / count`, ties to even, for a `count` of at most [`MOST_DIVIDED`].
///
/// Rounding to f64 and then to f32 goes wrong only if the exact quotient is no tie between two f32, but becomes such a
/// tie `t` in f64. It cannot: let `u` be the last place of `sum` as an f64. `t` has at most 25 bits, and `sum` is less
/// than `2^27` times the first of them, so the last of them is worth at least `u`, and `t * count` is a multiple of
/// `u`. `sum` is another one, so the quotient differs from `t` by at least `u / count`, which is more than `2^-53` of
/// the quotient: f64 does not round it to `t`.
#[inline(always)]
fn divide(sum: f64, count: usize) -> f32 {
    (sum / count as f64) as f32
}

#[cfg(test)]
mod tests {
    use num_rational::BigRational;

    use super::*;

    /// The largest counts, and the sums around each tie times the count: where double rounding would show.
    #[test]
    fn quotients_next_to_ties_are_rounded_once() {
        let rational = |number: f64| BigRational::from_float(number).unwrap();
        for count in [3, 10, (1 << 25) + 1, MOST_DIVIDED / 3, MOST_DIVIDED - 1, MOST_DIVIDED] {
            for bits in [0_u32, 1, 2, 0x7F_FFFE, 0x7F_FFFF, 0x80_0000, 0x3F80_0001, 0x3FFF_FFFE, 0x7F7F_FFFE] {
                let (low, high) = (f32::from_bits(bits), f32::from_bits(bits + 1));
                let even = if bits % 2 == 0 { low } else { high };
                let tie = (f64::from(low) + f64::from(high)) / 2.0;
                let near = tie * count as f64;
                for sum in
                    [near.next_down().next_down(), near.next_down(), near, near.next_up(), near.next_up().next_up()]
                {
                    let expected = match rational(sum).cmp(&(rational(tie) * rational(count as f64))) {
                        std::cmp::Ordering::Less => low,
                        std::cmp::Ordering::Equal => even,
                        std::cmp::Ordering::Greater => high,
                    };
                    assert_eq!(divide(sum, count), expected, "{sum:e} / {count}");
                    assert_eq!(divide(-sum, count), -expected, "-{sum:e} / {count}");
                }
            }
        }
    }
}
