//! The loops that one writes first: a search for every output element, one pass over the points, one thread.

use robocache_core::{
    dtype::Float,
    operators::{times::Time, voxelize::VoxelizeShape},
};

/// A stream: `x[B,S,D]`, `ts[B,S]`, S and D.
pub(crate) struct Stream<'a, E, T> {
    pub(crate) x: &'a [E],
    pub(crate) ts: &'a [T],
    pub(crate) samples: usize,
    pub(crate) channels: usize,
}

/// One interpolated element.
fn element<E: Float, T: Time>(times: &[T], target: T, x: impl Fn(usize) -> E) -> E {
    let count = times.partition_point(|&time| time <= target);
    if count == 0 {
        return x(0).canonical();
    }
    let index = count - 1;
    if index == times.len() - 1 || times[index] == target {
        return x(index).canonical();
    }
    let weight = T::difference(target, times[index]) / T::difference(times[index + 1], times[index]);
    E::narrow(x(index).widen() * (1.0 - weight) + x(index + 1).widen() * weight)
}

/// `resample` of one stream, and `fuse` of several.
pub(crate) fn fuse<E: Float, T: Time>(targets: usize, streams: &[Stream<'_, E, T>], tt: &[T], y: &mut [E]) {
    let row: usize = streams.iter().map(|stream| stream.channels).sum();
    for (position, &target) in tt.iter().enumerate() {
        let batch = position / targets;
        let mut offset = position * row;
        for stream in streams {
            let times = &stream.ts[batch * stream.samples..][..stream.samples];
            for channel in 0..stream.channels {
                let x = |index: usize| stream.x[(batch * stream.samples + index) * stream.channels + channel];
                y[offset + channel] = element(times, target, x);
            }
            offset += stream.channels;
        }
    }
}

/// The voxel of a point as most code computes it.
fn voxel(shape: &VoxelizeShape, point: &[f32]) -> Option<i64> {
    let mut voxel = 0;
    for ((number, origin), &extent) in point.iter().zip(shape.origin).zip(&shape.grid) {
        let cell = ((number - origin) / shape.voxel_size).floor();
        if !(cell >= 0.0 && (cell as i64) < extent as i64) {
            return None;
        }
        voxel = voxel * extent as i64 + cell as i64;
    }
    Some(voxel)
}

/// `occupancy`
pub(crate) fn occupancy(shape: &VoxelizeShape, points: &[f32], voxels: &mut [i32]) {
    voxels.fill(0);
    for point in points.chunks_exact(3) {
        if let Some(voxel) = voxel(shape, point) {
            voxels[voxel as usize] = 1;
        }
    }
}

/// `count`
pub(crate) fn count(shape: &VoxelizeShape, points: &[f32], voxels: &mut [i32]) {
    voxels.fill(0);
    for point in points.chunks_exact(3) {
        if let Some(voxel) = voxel(shape, point) {
            voxels[voxel as usize] += 1;
        }
    }
}

/// Arrays as large as the grid.
#[derive(Default)]
pub(crate) struct Arrays {
    counts: Vec<i32>,
    sums: Vec<f32>,
}

/// `mean` in f32: correctly rounded only where sums happen to be exact.
pub(crate) fn mean(shape: &VoxelizeShape, points: &[f32], features: &[f32], arrays: &mut Arrays, voxels: &mut [f32]) {
    let Arrays { counts, sums } = arrays;
    counts.clear();
    counts.resize(voxels.len() / shape.features, 0);
    sums.clear();
    sums.resize(voxels.len(), 0.0);
    for (point, row) in points.chunks_exact(3).zip(features.chunks_exact(shape.features)) {
        if let Some(voxel) = voxel(shape, point) {
            counts[voxel as usize] += 1;
            for (sum, feature) in sums[voxel as usize * shape.features..].iter_mut().zip(row) {
                *sum += feature;
            }
        }
    }
    let sums = sums.chunks_exact(shape.features).zip(counts);
    for (voxel, (sums, count)) in voxels.chunks_exact_mut(shape.features).zip(sums) {
        for (mean, sum) in voxel.iter_mut().zip(sums) {
            *mean = sum / (*count).max(1) as f32;
        }
    }
}

/// `max`, with counts to tell empty voxels.
pub(crate) fn max(shape: &VoxelizeShape, points: &[f32], features: &[f32], arrays: &mut Arrays, voxels: &mut [f32]) {
    let Arrays { counts, sums: _ } = arrays;
    counts.clear();
    counts.resize(voxels.len() / shape.features, 0);
    voxels.fill(f32::NEG_INFINITY);
    for (point, row) in points.chunks_exact(3).zip(features.chunks_exact(shape.features)) {
        if let Some(voxel) = voxel(shape, point) {
            counts[voxel as usize] += 1;
            for (maximum, feature) in voxels[voxel as usize * shape.features..].iter_mut().zip(row) {
                *maximum = maximum.max(*feature);
            }
        }
    }
    for (maximum, count) in voxels.chunks_exact_mut(shape.features).zip(counts) {
        if *count == 0 {
            maximum.fill(0.0);
        }
    }
}
