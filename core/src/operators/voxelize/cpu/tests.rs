//! All modes against the definition, written down once more as plainly as possible, in exact rational arithmetic.

use std::collections::HashMap;

use half::{bf16, f16};
use num_rational::BigRational;
use proptest::{prelude::*, sample::select, test_runner::RngSeed};

use super::{count, max, mean, occupancy, superaccumulator::Superaccumulator};
use crate::{
    cpu::{CpuOptions, InstructionSet},
    dtype::Float,
    operators::voxelize::{VoxelMode, VoxelizeShape},
};

fn shape(grid: [usize; 3], points: usize, features: usize) -> VoxelizeShape {
    let (origin, voxel_size, mode) = ([-1.0, 0.5, 2.0], 0.3, VoxelMode::Mean);
    VoxelizeShape { points, features, grid, mode, origin, voxel_size }
}

/// The voxel of a point, from DESIGN's words.
fn voxel(shape: &VoxelizeShape, point: &[f32]) -> Option<usize> {
    let mut voxel = 0;
    for ((number, origin), &extent) in point.iter().zip(shape.origin).zip(&shape.grid) {
        let cell = ((number - origin) / shape.voxel_size).floor();
        if cell.is_nan() || cell < 0.0 || f64::from(cell) >= extent as f64 {
            return None;
        }
        voxel = voxel * extent + cell as usize;
    }
    Some(voxel)
}

fn options() -> impl Iterator<Item = CpuOptions> {
    let sets = InstructionSet::available().into_iter();
    sets.flat_map(|instructions| [1, 2, 5].map(|threads| CpuOptions { threads, instructions }))
}

/// Bits that look random.
fn hash(index: u32) -> u32 {
    index.wrapping_mul(0x9E37_79B1).rotate_left(15).wrapping_mul(0x85EB_CA77)
}

/// A feature of a kind, chosen by `bits`.
fn number(kind: u8, bits: u32) -> f32 {
    let unit = (bits >> 8) as f32 / 16_777_216.0;
    match kind {
        // Of any exponent, infinite and NaN included.
        0 => f32::from_bits(bits),
        // Cancelling, so that what is far smaller decides.
        1 => {
            let magnitude = if bits & 2 == 0 { 1.0 } else { 1e-30 };
            (1.0 + (bits >> 8 & 3) as f32) * if bits & 1 == 0 { magnitude } else { -magnitude }
        }
        // Subnormal.
        2 => f32::from_bits(bits & 0x8000_000F),
        // Close to overflow.
        3 => f32::from_bits(0x7F00_0000 | bits & 0x807F_FFFF),
        // Ordinary.
        4 => 2.0 * unit - 1.0,
        // Small integers, for which many means are exact or ties.
        5 => (bits % 9) as f32 - 4.0,
        // Neighbours, whose means are ties, or next to ties where something tiny is among them.
        6 if bits & 0xF00 == 0 => 1e-30,
        6 => f32::from_bits(0x3F80_0000 + bits % 4),
        _ => [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1.0, -1e-45, 1e-45][(bits % 8) as usize],
    }
}

fn points(kind: u8, bits: &[[u32; 3]], shape: &VoxelizeShape) -> Vec<f32> {
    let coordinate = |axis: usize, bits: u32| {
        let unit = (bits >> 8) as f32 / 16_777_216.0;
        let extent = shape.grid[axis] as f32 * shape.voxel_size;
        match (kind, bits % 16) {
            (0, 0) => f32::from_bits(bits.rotate_left(9)),
            // On the faces of voxels, the last included.
            (0, 1) => shape.origin[axis] + shape.voxel_size * ((bits >> 8) % (shape.grid[axis] as u32 + 1)) as f32,
            (1, _) => shape.origin[axis] + shape.voxel_size * 0.5,
            _ => shape.origin[axis] + extent * (unit * 1.1 - 0.05),
        }
    };
    bits.iter().flat_map(|bits| [0, 1, 2].map(|axis| coordinate(axis, bits[axis]))).collect()
}

/// Points and features of one voxel each, by definition; and the number dropped.
fn gather<'a, E>(shape: &VoxelizeShape, points: &[f32], features: &'a [E]) -> (HashMap<usize, Vec<&'a [E]>>, u64) {
    let (mut voxels, mut dropped) = (HashMap::<_, Vec<_>>::new(), 0);
    for (index, point) in points.chunks(3).enumerate() {
        match voxel(shape, point) {
            Some(voxel) => {
                let row = &features[index * shape.features..][..shape.features];
                voxels.entry(voxel).or_default().push(row);
            }
            None => dropped += 1,
        }
    }
    (voxels, dropped)
}

fn rational(number: f32) -> BigRational {
    BigRational::from_float(number).expect("a finite number")
}

/// Fails unless `actual` is the f32 nearest to the mean of `numbers`.
fn check_mean(numbers: &[f32], actual: f32) {
    let sum: f32 = numbers.iter().sum();
    let special = numbers.iter().filter(|number| !number.is_finite()).sum::<f32>();
    if numbers.iter().any(|number| !number.is_finite()) {
        assert_eq!(actual.to_bits(), special.canonical().to_bits(), "{numbers:?}, sum {sum}");
        return;
    }
    let exact: BigRational =
        numbers.iter().map(|&number| rational(number)).sum::<BigRational>() / rational(numbers.len() as f32);
    let zero = rational(0.0);
    assert!(actual.is_finite(), "{numbers:?}: {actual}");
    assert_eq!(actual.is_sign_negative(), exact < zero, "{numbers:?}: sign of {actual}");
    let distance = |number: f32| {
        let difference = rational(number) - &exact;
        if difference < zero { -difference } else { difference }
    };
    for neighbour in [actual.next_down(), actual.next_up()].into_iter().filter(|number| number.is_finite()) {
        let (own, other) = (distance(actual), distance(neighbour));
        let tie_to_even = own == other && actual.to_bits() & 1 == 0;
        assert!(own < other || tie_to_even, "{numbers:?}: {actual:e} is farther than {neighbour:e}");
    }
}

/// IEEE 754-2019 `maximum`, case by case.
fn maximum(a: f32, b: f32) -> f32 {
    if a.is_nan() || b.is_nan() {
        f32::CANONICAL_NAN
    } else if a == b {
        if a.is_sign_negative() { b } else { a }
    } else if a > b {
        a
    } else {
        b
    }
}

fn check<E: Float>(shape: &VoxelizeShape, points: &[f32], features: &[E]) {
    let (voxels, dropped) = gather(shape, points, features);
    let volume: usize = shape.grid.iter().product();
    let mut previous: Option<[Vec<u32>; 2]> = None;
    for options in options() {
        let (mut counts, mut occupied) = (vec![-1; volume], vec![-1; volume]);
        assert_eq!(count(shape, points, &mut counts, options), dropped, "{options:?}");
        assert_eq!(occupancy(shape, points, &mut occupied, options), dropped, "{options:?}");
        for voxel in 0..volume {
            let expected = voxels.get(&voxel).map_or(0, |rows| rows.len() as i32);
            assert_eq!((counts[voxel], occupied[voxel]), (expected, expected.min(1)), "{options:?}, voxel {voxel}");
        }

        let poisoned = || vec![f32::from_bits(0xA5A5_A5A5); volume * shape.features];
        let (mut means, mut maxima) = (poisoned(), poisoned());
        assert_eq!(mean(shape, points, features, &mut means, options), dropped, "{options:?}");
        assert_eq!(max(shape, points, features, &mut maxima, options), dropped, "{options:?}");
        let bits = [means, maxima].map(|values| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>());
        match &previous {
            // Rational arithmetic is slow: the first result is checked, all others must have its bits.
            Some(previous) => assert!(*previous == bits, "{options:?}"),
            None => check_reductions(shape, &voxels, &bits),
        }
        previous.get_or_insert(bits);
    }
}

fn check_reductions<E: Float>(shape: &VoxelizeShape, voxels: &HashMap<usize, Vec<&[E]>>, bits: &[Vec<u32>; 2]) {
    for (element, (&mean, &max)) in bits[0].iter().zip(&bits[1]).enumerate() {
        let (voxel, channel) = (element / shape.features, element % shape.features);
        match voxels.get(&voxel) {
            None => assert_eq!((mean, max), (0, 0), "voxel {voxel} is empty"),
            Some(rows) => {
                let numbers: Vec<f32> = rows.iter().map(|row| row[channel].widen()).collect();
                check_mean(&numbers, f32::from_bits(mean));
                let expected = numbers[1..].iter().fold(numbers[0].canonical(), |a, &b| maximum(a, b));
                assert_eq!(max, expected.to_bits(), "{numbers:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::with_cases(64)
    })]

    #[test]
    fn every_mode_gives_the_defined_bits(
        grid in [select(vec![1_usize, 2, 5]), select(vec![1_usize, 3, 7]), select(vec![1_usize, 4, 65])],
        cloud in prop::collection::vec(any::<[u32; 3]>(), 0..300),
        cloud_kind in 0_u8..3,
        features in select(vec![1_usize, 3, 8, 17]),
        feature_kind in 0_u8..8,
        seed: u32,
    ) {
        let shape = shape(grid, cloud.len(), features);
        let points = points(cloud_kind, &cloud, &shape);
        let numbers: Vec<f32> = (0..cloud.len() * features)
            .map(|index| number(feature_kind, hash(index as u32 ^ seed)))
            .collect();
        check(&shape, &points, &numbers);
        check(&shape, &points, &numbers.iter().map(|&number| f16::narrow(number)).collect::<Vec<_>>());
        check(&shape, &points, &numbers.iter().map(|&number| bf16::narrow(number)).collect::<Vec<_>>());
    }

    #[test]
    fn the_superaccumulator_rounds_once(kind in 0_u8..7, bits in prop::collection::vec(any::<u32>(), 1..40)) {
        let numbers = bits.iter().map(|&bits| number(kind, bits));
        let numbers: Vec<f32> = numbers.filter(|number| number.is_finite()).collect();
        prop_assume!(!numbers.is_empty());
        let mut sum = Superaccumulator::default();
        numbers.iter().for_each(|&number| sum.add(number));
        check_mean(&numbers, sum.mean(numbers.len() as u32));
    }
}

/// Enough points and voxels for several chunks, tiles and streamed outputs.
#[test]
fn large_clouds() {
    let grid = [70, 60, 50];
    let (points_count, features) = (100_000, 3);
    let shape = shape(grid, points_count, features);
    let bits: Vec<[u32; 3]> =
        (0..points_count as u32).map(|index| [0, 1, 2].map(|axis| hash(3 * index + axis))).collect();
    let features: Vec<bf16> =
        (0..points_count * features).map(|index| bf16::narrow(number(4, hash(!(index as u32))))).collect();
    check(&shape, &points(0, &bits, &shape), &features);
}

#[test]
fn extreme_grids_and_coordinates() {
    let far = 2_f32.powi(31);
    let points: Vec<f32> = [far, far.next_down(), 16_777_216.0, -0.0, -1e-45, f32::MAX, f32::INFINITY, f32::NAN]
        .into_iter()
        .cycle()
        .take(40)
        .flat_map(|x| [x, 0.25, 0.75])
        .collect();
    // More voxels along x than f32 can tell apart, and a volume of several gigabytes that is never allocated.
    let grid = [i32::MAX as usize, 2, 2];
    let shape =
        VoxelizeShape { points: 40, features: 0, grid, mode: VoxelMode::Count, origin: [0.0; 3], voxel_size: 1.0 };
    for instructions in InstructionSet::available() {
        for grid in [grid, [i32::MAX as usize, 1, 1], [16_777_217, 2, 2], [16_777_216, 2, 2]] {
            let shape = VoxelizeShape { grid, ..shape };
            let cells = super::cells::Cells::new(&shape, &points, instructions);
            let mut located = vec![0; 40];
            cells.locate(&points, &mut located);
            for (point, &located) in points.chunks(3).zip(&located) {
                let expected = voxel(&shape, point).unwrap_or(cells.volume);
                assert_eq!(located, expected as u64, "{instructions}: {point:?} in {grid:?}");
            }
        }
    }
}

/// Means of f32 neighbours: quotients in f64 that fall on ties of f32, exactly and by rounding.
#[test]
fn ties_are_rounded_once() {
    for base in [0x3F80_0000_u32, 0x0080_0000, 0x7F7F_FFF0, 0x4B7F_FFFF] {
        for count in 2..70_u32 {
            for up in 0..count {
                let numbers: Vec<f32> = (0..count)
                    .map(|index| f32::from_bits(base + u32::from(index < up) + u32::from(index == 1) * 2))
                    .collect();
                let shape = VoxelizeShape { origin: [0.0; 3], ..shape([1, 1, 1], count as usize, 1) };
                let mut result = [f32::NAN];
                mean(
                    &shape,
                    &vec![0.0; 3 * count as usize],
                    &numbers,
                    &mut result,
                    CpuOptions { threads: 1, ..CpuOptions::default() },
                );
                check_mean(&numbers, result[0]);
                let mut sum = Superaccumulator::default();
                numbers.iter().for_each(|&number| sum.add(number));
                assert_eq!(sum.mean(count).to_bits(), result[0].to_bits(), "{numbers:?}");
            }
        }
    }
}

/// What 2^31 - 1 of the largest numbers leave in the accumulator, without adding them all.
#[test]
fn the_superaccumulator_holds_the_most_addends() {
    for (addend, sign) in [(f32::MAX, 1.0), (f32::MAX, -1.0), (1e-45, 1.0), (1.999_999_9, -1.0)] {
        let addend = addend * sign;
        let mut one = Superaccumulator::default();
        one.add(addend);
        assert_eq!(one.times(i32::MAX).mean(i32::MAX as u32).to_bits(), addend.to_bits());
    }
}

#[test]
#[should_panic(expected = "elements of points[2,3]")]
fn missing_points_are_refused() {
    let mut voxels = [0; 8];
    count(&shape([2, 2, 2], 2, 0), &[0.0; 5], &mut voxels, CpuOptions::default());
}

#[test]
#[should_panic(expected = "each extent must be between 1 and i32::MAX")]
fn empty_grids_are_refused() {
    occupancy(&shape([2, 0, 2], 0, 0), &[], &mut [], CpuOptions::default());
}
