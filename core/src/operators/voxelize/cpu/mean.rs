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

/// Writes to `voxels[X,Y,Z,F]` the correctly rounded mean of the features `[N,F]` of the points `[N,3]` in each voxel, 0
/// where there is none; gives the number of points dropped.
///
/// An exactly zero mean is +0. Of infinite features the mean is that infinity, or NaN if their signs differ.
///
/// # Panics
/// If a length is not what `shape` says, if there are no features or more than `i32::MAX` points, if an extent of the grid
/// is zero or more than `i32::MAX`, or if a volume overflows.
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
    /// Sum of the magnitudes of the errors of all additions: zero if and only if the sum is exact. NaN where a feature is
    /// not finite.
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
        let count = points.len() as u32;
        for (channel, result) in result.iter_mut().enumerate() {
            let sum = self.sums[channel];
            let exact = if self.errors[channel] == 0.0 { divide(sum, count) } else { None };
            *result = match exact {
                Some(mean) => mean,
                None if !sum.is_finite() => (sum as f32).canonical(),
                None => add_exactly(rows, channel, points),
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

/// The f32 nearest to `sum / count`, ties to even, or `None` where this route cannot tell.
///
/// Rounding the f64 quotient once more is right unless that quotient is, seen from f32, a tie that the exact quotient
/// is not.
#[inline]
fn divide(sum: f64, count: u32) -> Option<f32> {
    /// The bits of an f64 that f32 lacks, and what they are halfway between two normal f32.
    const EXTRA: u64 = (1 << 29) - 1;
    const HALF: u64 = 1 << 28;

    let quotient = sum / f64::from(count);
    if quotient.abs() < f64::from(f32::MIN_POSITIVE) {
        // Ties between subnormal f32 look different; a zero sum is never negative, because it started at +0.
        return (sum == 0.0).then_some(0.0);
    }
    if quotient.to_bits() & EXTRA != HALF {
        return Some(quotient as f32);
    }
    let residual = residual(sum, quotient, count);
    let nudged = if residual == 0.0 {
        quotient
    } else if (residual > 0.0) == (quotient > 0.0) {
        f64::from_bits(quotient.to_bits() + 1)
    } else {
        f64::from_bits(quotient.to_bits() - 1)
    };
    Some(nudged as f32)
}

/// `sum - quotient * count`, exactly, for a `quotient` of at most 25 bits that is `sum / count` rounded to f64.
fn residual(sum: f64, quotient: f64, count: u32) -> f64 {
    // Both products have at most 41 bits. The first difference is exact by Sterbenz' lemma (`high` is zero or more than
    // half of `count`), and so is the second, because what remains is tiny beside its operands (or its subtrahend is 0).
    let (high, low) = (count & !0xFFFF, count & 0xFFFF);
    (sum - quotient * f64::from(high)) - quotient * f64::from(low)
}
