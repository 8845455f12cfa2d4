//! The definitions of the operators written out, one element at a time, on one thread.

use crate::{
    cpu::CpuOptions,
    dtype::Float,
    operators::{
        fuse::FuseShape,
        resample::ResampleShape,
        times::Time,
        voxelize::{VoxelMode, VoxelizeShape},
    },
};

/// One sequence of a stream at one target, as DESIGN defines `resample`.
fn interpolate<E: Float, T: Time>(x: &[E], ts: &[T], t: T, y: &mut [E]) {
    let channels = y.len();
    let sample = |index: usize| &x[index * channels..][..channels];
    let last = ts.len() - 1;
    let behind = ts.partition_point(|time| *time <= t);
    if behind == 0 || behind > last || ts[behind - 1] == t {
        for (y, x) in y.iter_mut().zip(sample(behind.max(1) - 1)) {
            *y = x.canonical();
        }
        return;
    }
    let w = T::difference(t, ts[behind - 1]) / T::difference(ts[behind], ts[behind - 1]);
    for (y, (x0, x1)) in y.iter_mut().zip(sample(behind - 1).iter().zip(sample(behind))) {
        *y = E::narrow(x0.widen() * (1.0 - w) + x1.widen() * w);
    }
}

pub(crate) fn resample<E: Float, T: Time>(
    shape: &ResampleShape,
    x: &[E],
    ts: &[T],
    tt: &[T],
    y: &mut [E],
    _options: CpuOptions,
) {
    let ResampleShape { source, channels, target, .. } = *shape;
    for (row, (y, &t)) in y.chunks_exact_mut(channels).zip(tt).enumerate() {
        let sequence = row / target;
        let x = &x[sequence * source * channels..][..source * channels];
        interpolate(x, &ts[sequence * source..][..source], t, y);
    }
}

pub(crate) fn fuse<E: Float, T: Time>(
    shape: &FuseShape,
    streams: &[(&[E], &[T])],
    tt: &[T],
    y: &mut [E],
    _options: CpuOptions,
) {
    for (row, (y, &t)) in y.chunks_exact_mut(shape.channels()).zip(tt).enumerate() {
        let sequence = row / shape.target;
        let mut y = y;
        for (stream, (x, ts)) in shape.streams.iter().zip(streams) {
            let (here, rest) = y.split_at_mut(stream.channels);
            let samples = stream.source * stream.channels;
            let x = &x[sequence * samples..][..samples];
            interpolate(x, &ts[sequence * stream.source..][..stream.source], t, here);
            y = rest;
        }
    }
}

fn voxel(shape: &VoxelizeShape, point: &[f32]) -> Option<usize> {
    let mut voxel = 0;
    for (axis, coordinate) in point.iter().enumerate() {
        let cell = ((coordinate - shape.origin[axis]) / shape.voxel_size).floor();
        let kept = (0.0..2_147_483_648.0).contains(&cell) && (cell as usize) < shape.grid[axis];
        if !kept {
            return None;
        }
        voxel = voxel * shape.grid[axis] + cell as usize;
    }
    Some(voxel)
}

/// `count` and `occupancy`; the number of dropped points is returned.
pub(crate) fn tally(shape: &VoxelizeShape, points: &[f32], voxels: &mut [i32], _options: CpuOptions) -> i64 {
    voxels.fill(0);
    let mut dropped = 0;
    for point in points.chunks_exact(3) {
        match (voxel(shape, point), shape.mode) {
            (None, _) => dropped += 1,
            (Some(voxel), VoxelMode::Count) => voxels[voxel] += 1,
            (Some(voxel), VoxelMode::Occupancy | VoxelMode::Mean | VoxelMode::Max) => voxels[voxel] = 1,
        }
    }
    dropped
}

/// `mean` and `max`; the number of dropped points is returned.
pub(crate) fn gather<E: Float>(
    shape: &VoxelizeShape,
    points: &[f32],
    features: &[E],
    voxels: &mut [f32],
    _options: CpuOptions,
) -> i64 {
    use std::collections::BTreeMap;
    voxels.fill(0.0);
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut dropped = 0;
    for (number, point) in points.chunks_exact(3).enumerate() {
        match voxel(shape, point) {
            None => dropped += 1,
            Some(voxel) => members.entry(voxel).or_default().push(number),
        }
    }
    for (voxel, members) in members {
        for feature in 0..shape.features {
            let values = members.iter().map(|member| features[member * shape.features + feature].widen());
            voxels[voxel * shape.features + feature] = match shape.mode {
                VoxelMode::Max => values.fold(f32::NEG_INFINITY, maximum).canonical(),
                VoxelMode::Mean | VoxelMode::Count | VoxelMode::Occupancy => mean(values, members.len()),
            };
        }
    }
    dropped
}

/// IEEE 754-2019 `maximum`.
fn maximum(left: f32, right: f32) -> f32 {
    if left.is_nan() || right.is_nan() {
        f32::NAN
    } else if left == right {
        // -0 and +0 are equal: the sign bits that both have.
        f32::from_bits(left.to_bits() & right.to_bits())
    } else if left > right {
        left
    } else {
        right
    }
}

/// The correctly rounded mean: an exact sum in 384-bit fixed point of unit 2^-149, divided bit by bit.
fn mean(values: impl Iterator<Item = f32>, count: usize) -> f32 {
    let (mut positive, mut negative) = (num_bigint::BigUint::ZERO, num_bigint::BigUint::ZERO);
    let mut special = 0.0_f32;
    for value in values {
        if !value.is_finite() {
            special += value;
            continue;
        }
        let bits = value.to_bits();
        let exponent = (bits >> 23) & 0xFF;
        let fraction = bits & 0x7F_FFFF;
        let significand = if exponent == 0 { fraction } else { fraction | 0x80_0000 };
        let term = num_bigint::BigUint::from(significand) << (exponent.max(1) - 1);
        if value.is_sign_negative() { negative += term } else { positive += term }
    }
    if special != 0.0 {
        return special.canonical();
    }
    let (sign, sum) = if positive >= negative { (1.0, positive - negative) } else { (-1.0, negative - positive) };
    // 32 more bits than the unit, and a sticky bit: an integer whose value decides the rounding.
    let scaled = sum << 32_u32;
    let (quotient, remainder) = (&scaled / count, &scaled % count);
    let excess = quotient.bits().saturating_sub(60);
    let kept = &quotient >> excess;
    let sticky = remainder != num_bigint::BigUint::ZERO || (&kept << excess) != quotient;
    let kept = u64::try_from(kept).expect("60 bits") << 1 | u64::from(sticky);
    // value = kept * 2^(excess - 1 - 32 - 149), rounded to a multiple of 2^-149 or to 24 bits.
    let exponent = excess as i32 - 182;
    let drop = (kept.checked_ilog2().unwrap_or(0) as i32 + 1 - 24).max(-149 - exponent);
    if drop <= 0 {
        return sign * scale(kept, exponent);
    }
    if drop > 63 {
        return sign * 0.0;
    }
    let (floor, rest, half) = (kept >> drop, kept & ((1 << drop) - 1), 1_u64 << (drop - 1));
    let rounded = floor + u64::from(rest > half || (rest == half && floor % 2 == 1));
    sign * scale(rounded, exponent + drop)
}

/// `significand * 2^exponent`, which is an f32.
fn scale(significand: u64, exponent: i32) -> f32 {
    (significand as f64 * 2.0_f64.powi(exponent)) as f32
}
