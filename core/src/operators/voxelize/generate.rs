//! Clouds and their features.
//!
//! Distributions of clouds come with uniform features. Distributions of values come with a uniform cloud so dense that
//! a voxel holds a few points; where there are no features, they are the distributions of the coordinates.

use half::{bf16, f16};
use rand_chacha::{ChaCha8Rng, rand_core::Rng};

use super::{VoxelizeProblem, VoxelizeShape};
use crate::{
    distribution::Distribution,
    dtype::DType,
    generate::{Pattern, below, fill, fill_cancelling, fill_rows, integer, special, uniform, unit, wide_exponent},
    operator::Problem,
    random::Seed,
    tensor::{HostTensor, TensorSpec},
};

/// `points` and, where the mode takes them, `features`.
pub(super) fn generate(problem: &VoxelizeProblem, distribution: Distribution, seed: Seed) -> Vec<HostTensor> {
    let mut specs = problem.inputs().into_iter();
    let mut inputs = Vec::new();
    if let Some(points) = specs.next() {
        inputs.push(fill_points(problem.shape(), points, distribution, seed.derive("points")));
    }
    for features in specs {
        inputs.push(match features.dtype {
            DType::F32 => fill_features::<f32>(features, distribution, seed.derive("features")),
            DType::F16 => fill_features::<f16>(features, distribution, seed.derive("features")),
            DType::Bf16 => fill_features::<bf16>(features, distribution, seed.derive("features")),
            DType::I32 | DType::I64 => unreachable!("features are floating-point: the problem was made so"),
        });
    }
    inputs
}

/// `features[N,F]`.
fn fill_features<E: Pattern>(spec: TensorSpec, distribution: Distribution, seed: Seed) -> HostTensor {
    let [points, width] = [0, 1].map(|axis| spec.shape.extents()[axis]);
    let mut tensor = HostTensor::zeros(spec);
    let features = tensor.as_mut_slice::<E>();
    match distribution {
        Distribution::Uniform
        | Distribution::DuplicatedTimes
        | Distribution::ClusteredTimes
        | Distribution::EpochTimes
        | Distribution::Midpoints
        | Distribution::ClusteredCloud
        | Distribution::OneVoxel
        | Distribution::OutsideGrid => fill(features, seed, |generator, _| uniform(generator)),
        Distribution::WideExponents => fill(features, seed, |generator, _| wide_exponent(generator)),
        Distribution::IntegerValued => fill(features, seed, |generator, _| integer(generator)),
        Distribution::SpecialValues => fill(features, seed, |generator, _| special(generator)),
        // The two points of a pair lie in one voxel, in which only what is far below their magnitudes remains.
        Distribution::CancellingPairs => fill_cancelling(features, points.div_ceil(2) * width, seed, |offset| {
            let (point, feature) = (offset / width, offset % width);
            (point / 2 * width + feature, point % 2 == 1)
        }),
    }
    tensor
}

/// `points[N,3]`.
fn fill_points(shape: &VoxelizeShape, spec: TensorSpec, distribution: Distribution, seed: Seed) -> HostTensor {
    let mut tensor = HostTensor::zeros(spec);
    let points = tensor.as_mut_slice::<f32>();
    let whole = Cells { shape: *shape, extents: shape.grid };
    let dense = Cells { shape: *shape, extents: dense_extents(shape) };
    let coordinates_vary = !shape.mode.takes_features();
    let each = |points: &mut [f32], draw: &(dyn Fn(&mut ChaCha8Rng, usize) -> f32 + Sync)| {
        fill_rows(points, 3, seed, |generator, point| {
            for (axis, coordinate) in point.iter_mut().enumerate() {
                *coordinate = draw(generator, axis);
            }
        });
    };
    match distribution {
        Distribution::Uniform
        | Distribution::DuplicatedTimes
        | Distribution::ClusteredTimes
        | Distribution::EpochTimes
        | Distribution::Midpoints => each(points, &|generator, axis| whole.anywhere(generator, axis)),
        Distribution::WideExponents if coordinates_vary => each(points, &|generator, axis| {
            if generator.next_u32() % 2 == 0 { wide_exponent(generator) } else { dense.anywhere(generator, axis) }
        }),
        Distribution::IntegerValued if coordinates_vary => {
            each(points, &|generator, axis| whole.face(generator, axis));
        }
        Distribution::SpecialValues if coordinates_vary => each(points, &|generator, axis| {
            if generator.next_u32() % 4 == 0 { special(generator) } else { dense.anywhere(generator, axis) }
        }),
        Distribution::CancellingPairs => fill_pairs(points, &dense, coordinates_vary, seed),
        Distribution::WideExponents | Distribution::IntegerValued | Distribution::SpecialValues => {
            each(points, &|generator, axis| dense.anywhere(generator, axis));
        }
        Distribution::ClusteredCloud => fill_clusters(points, &whole, seed),
        Distribution::OneVoxel => {
            let centre = [0, 1, 2].map(|axis| whole.middle(axis));
            each(points, &|generator, axis| whole.beside(generator, axis, centre[axis]));
        }
        Distribution::OutsideGrid => fill_rows(points, 3, seed, |generator, point| {
            for (axis, coordinate) in point.iter_mut().enumerate() {
                *coordinate = whole.anywhere(generator, axis);
            }
            // One axis decides, so that points are refused for each axis alone. A last row may be cut short by no one.
            let axis = below(generator, point.len());
            point[axis] = whole.outside(generator, axis);
        }),
    }
    tensor
}

/// Pairs of points: at one place where features cancel, else mirrored about the grid's origin.
fn fill_pairs(points: &mut [f32], cells: &Cells, mirrored: bool, seed: Seed) {
    fill_rows(points, 6, seed, |generator, pair| {
        for axis in 0..3 {
            let position = unit(generator) * cells.extents[axis] as f64;
            let other = if mirrored { -position } else { position };
            pair[axis] = cells.coordinate(axis, position);
            if let Some(coordinate) = pair.get_mut(3 + axis) {
                *coordinate = cells.coordinate(axis, other);
            }
        }
    });
}

/// Eight clusters a few voxels wide, but narrower than the grid; an eighth of the points on the faces of voxels.
fn fill_clusters(points: &mut [f32], cells: &Cells, seed: Seed) {
    let generator = &mut seed.derive("clusters").generator();
    let centres: Vec<[f64; 3]> = (0..8).map(|_| cells.extents.map(|cells| unit(generator) * cells as f64)).collect();
    fill_rows(points, 3, seed, |generator, point| {
        let centre = centres[below(generator, centres.len())];
        let on_faces = below(generator, 8) == 0;
        for (axis, coordinate) in point.iter_mut().enumerate() {
            // The sum of three uniform numbers: densest in the middle, and no function of a mathematical library.
            let spread = unit(generator) + unit(generator) + unit(generator) - 1.5;
            let width = (cells.extents[axis] as f64 / 4.0).min(4.0);
            let position = centre[axis] + width * spread;
            *coordinate = cells.coordinate(axis, if on_faces { position.floor() } else { position });
        }
    });
}

/// A part of the grid that holds about four points a voxel, or all of it.
fn dense_extents(shape: &VoxelizeShape) -> [usize; 3] {
    let mut extents = shape.grid;
    let volume = |extents: [usize; 3]| extents.iter().map(|&extent| extent as u128).product::<u128>();
    while volume(extents) > (shape.points as u128 / 4).max(1) {
        let longest = extents.iter_mut().max().expect("three axes");
        *longest = longest.div_ceil(2);
    }
    extents
}

/// The grid as a source of coordinates; positions are in voxels from the origin.
struct Cells {
    shape: VoxelizeShape,
    extents: [usize; 3],
}

impl Cells {
    fn coordinate(&self, axis: usize, position: f64) -> f32 {
        (f64::from(self.shape.origin[axis]) + f64::from(self.shape.voxel_size) * position) as f32
    }

    /// Uniform over the extents and a twentieth beyond either end.
    fn anywhere(&self, generator: &mut ChaCha8Rng, axis: usize) -> f32 {
        self.coordinate(axis, (1.1 * unit(generator) - 0.05) * self.extents[axis] as f64)
    }

    /// On a face between voxels or one voxel beyond the grid, or an ULP beside it: where a division that is not IEEE's
    /// floors to another cell.
    fn face(&self, generator: &mut ChaCha8Rng, axis: usize) -> f32 {
        let face = self.coordinate(axis, below(generator, self.extents[axis] + 2) as f64 - 1.0);
        match generator.next_u32() % 4 {
            0 => face.next_down(),
            1 => face.next_up(),
            2..=u32::MAX => face,
        }
    }

    /// The middle of the middle voxel.
    fn middle(&self, axis: usize) -> f32 {
        self.coordinate(axis, (self.extents[axis] / 2) as f64 + 0.5)
    }

    /// In the same voxel as `centre`, sometimes on its lower face.
    fn beside(&self, generator: &mut ChaCha8Rng, axis: usize, centre: f32) -> f32 {
        let cell = |coordinate: f32| ((coordinate - self.shape.origin[axis]) / self.shape.voxel_size).floor();
        let offset = if below(generator, 8) == 0 { 0.0 } else { unit(generator) };
        let coordinate = self.coordinate(axis, (self.extents[axis] / 2) as f64 + offset);
        // Rounded across a face, or at coordinates so large that a voxel is less than an ULP, it is the centre itself.
        if cell(coordinate) == cell(centre) { coordinate } else { centre }
    }

    /// On a face of the grid or an ULP beside it, beyond it near or far, infinite, NaN, or inside after all.
    fn outside(&self, generator: &mut ChaCha8Rng, axis: usize) -> f32 {
        let cells = self.extents[axis] as f64;
        let far = 1.0 + unit(generator);
        match generator.next_u32() % 20 {
            0 => self.coordinate(axis, 0.0),
            1 => self.coordinate(axis, 0.0).next_down(),
            2 => self.coordinate(axis, 0.0).next_up(),
            3 => self.coordinate(axis, cells),
            4 => self.coordinate(axis, cells).next_down(),
            5 => self.coordinate(axis, cells).next_up(),
            6 => -0.0,
            7 => self.coordinate(axis, -far),
            8 => self.coordinate(axis, cells + far),
            // Cells beyond i32 and u32; whole multiples of 2^32 would wrap to cell 0 in a narrow integer.
            9 => self.coordinate(axis, 2_147_483_648.0 * far),
            10 => self.coordinate(axis, 4_294_967_296.0 * (1 + below(generator, 4)) as f64),
            11 => self.coordinate(axis, -2_147_483_648.0 * far),
            12 => f32::MAX,
            13 => f32::MIN,
            14 => f32::INFINITY,
            15 => f32::NEG_INFINITY,
            16 => f32::NAN,
            17 => f32::from_bits(0xFF80_0001 | generator.next_u32() >> 10),
            18..=u32::MAX => self.face(generator, axis),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        operator::Operator,
        operators::voxelize::{DISTRIBUTIONS, Voxelize},
        parameters::{Parameters, Value},
        reference::Expected,
    };

    fn counts(distribution: Distribution, grid: [i64; 3], origin: f64, voxel_size: f64) -> (Vec<i32>, i64) {
        let parameters = Parameters::new([
            ("mode".to_owned(), Value::Word("count".to_owned())),
            ("n".to_owned(), Value::Integer(4000)),
            ("grid".to_owned(), Value::List(grid.map(Value::Integer).to_vec())),
            ("origin".to_owned(), Value::List(vec![Value::Number(origin); 3])),
            ("voxel_size".to_owned(), Value::Number(voxel_size)),
        ]);
        let problem = Voxelize.problem(DType::F32, &parameters).unwrap();
        let inputs = problem.generate(distribution, Seed::root(9));
        let mut outputs = problem.reference(&inputs).outputs.into_iter().map(|expected| match expected {
            Expected::Bits(bits) => bits,
            Expected::Within(_) => panic!("counts are exact"),
        });
        let voxels = outputs.next().unwrap().as_slice::<i32>().to_vec();
        (voxels, outputs.next().unwrap().as_slice::<i64>()[0])
    }

    #[test]
    fn one_voxel_is_one_voxel_wherever_the_grid_lies() {
        for (origin, voxel_size) in [(0.0, 0.1), (-7.3, 0.02), (1e6, 0.25), (1e30, 1e-3), (0.0, 1e-42)] {
            let (voxels, dropped) = counts(Distribution::OneVoxel, [9, 5, 7], origin, voxel_size);
            let occupied = voxels.iter().filter(|&&count| count > 0).count();
            assert_eq!((occupied, dropped), (1, 0), "origin {origin}, size {voxel_size}");
        }
    }

    #[test]
    fn clouds_fill_the_grid_and_leave_it() {
        for &distribution in DISTRIBUTIONS {
            let (voxels, dropped) = counts(distribution, [9, 5, 7], -0.3, 0.1);
            let kept: i32 = voxels.iter().sum();
            assert_eq!(i64::from(kept) + dropped, 4000);
            assert!(kept > 400, "{distribution} keeps {kept}");
            if distribution != Distribution::OneVoxel {
                assert!(voxels.iter().filter(|&&count| count > 0).count() > 20, "{distribution}");
            }
        }
        let (_, dropped) = counts(Distribution::OutsideGrid, [9, 5, 7], 0.0, 0.1);
        assert!(dropped > 1000, "{dropped}");
    }

    #[test]
    fn values_meet_in_voxels_also_in_large_grids() {
        let (voxels, _) = counts(Distribution::CancellingPairs, [200, 300, 250], 0.0, 0.1);
        let occupied = voxels.iter().filter(|&&count| count > 0).count();
        let shared = voxels.iter().filter(|&&count| count > 1).count();
        assert!(2 * shared > occupied, "{shared} of {occupied}");
    }
}
