//! What `voxelize` must give, bit for bit.
//!
//! Points are sorted by voxel and each voxel is computed on its own from all its points, in integers where a result
//! is rounded: nothing is accumulated point by point.

use half::{bf16, f16};
use rayon::prelude::*;

use super::{VoxelMode, VoxelizeProblem, VoxelizeShape, mean::correctly_rounded_mean};
use crate::{
    dtype::DType,
    operator::Problem,
    operators::exact::Exact,
    reference::{Expected, Reference},
    tensor::HostTensor,
};

/// A kept point and the offset of its voxel.
#[derive(Clone, Copy)]
struct Member {
    voxel: u64,
    point: u32,
}

/// The reference of all outputs.
pub(super) fn reference(problem: &VoxelizeProblem, inputs: &[HostTensor]) -> Reference {
    let shape = problem.shape();
    let [voxels, dropped] = problem.outputs().try_into().expect("voxels, dropped");
    let mut voxels = HostTensor::zeros(voxels);
    let mut members = members(shape, &inputs[0]);
    members.par_sort_unstable_by_key(|member| (member.voxel, member.point));
    let groups: Vec<&[Member]> = members.chunk_by(|left, right| left.voxel == right.voxel).collect();
    match shape.mode {
        VoxelMode::Count => {
            let counts = voxels.as_mut_slice::<i32>();
            for group in &groups {
                counts[group[0].voxel as usize] = group.len() as i32;
            }
        }
        VoxelMode::Occupancy => {
            let occupied = voxels.as_mut_slice::<i32>();
            for group in &groups {
                occupied[group[0].voxel as usize] = 1;
            }
        }
        VoxelMode::Mean => reduce(shape, &inputs[1], &groups, &mut voxels, correctly_rounded_mean),
        VoxelMode::Max => reduce(shape, &inputs[1], &groups, &mut voxels, maximum),
    }
    let dropped = HostTensor::from_slice(dropped, &[(shape.points - members.len()) as i64]);
    Reference { outputs: vec![Expected::Bits(voxels), Expected::Bits(dropped)] }
}

/// How many points are kept.
pub(super) fn kept(shape: &VoxelizeShape, points: &HostTensor) -> u64 {
    members(shape, points).len() as u64
}

/// The points that are kept.
fn members(shape: &VoxelizeShape, points: &HostTensor) -> Vec<Member> {
    let member = |(point, coordinates): (usize, &[f32])| {
        let cells = [0, 1, 2].map(|axis| cell(coordinates[axis], shape.origin[axis], shape.voxel_size));
        let [x, y, z] = cells.map(|cell| cell.unwrap_or(u64::MAX));
        let [x_cells, y_cells, z_cells] = shape.grid.map(|cells| cells as u64);
        let voxel = (x < x_cells && y < y_cells && z < z_cells).then(|| z + z_cells * (y + y_cells * x))?;
        Some(Member { voxel, point: point as u32 })
    };
    points.as_slice::<f32>().par_chunks_exact(3).enumerate().filter_map(member).collect()
}

/// The cell of one coordinate, if it is neither negative nor NaN nor beyond every grid.
///
/// The definition's f32 subtraction and division are done in f64 and rounded to f32, which is the same: rounding a sum
/// or quotient of two f32 first to 53 bits is innocuous (Figueroa, SIGNUM Newsletter 30(3), 1995).
fn cell(coordinate: f32, origin: f32, voxel_size: f32) -> Option<u64> {
    let distance = (f64::from(coordinate) - f64::from(origin)) as f32;
    let cells = (f64::from(distance) / f64::from(voxel_size)) as f32;
    let floor = f64::from(cells).floor();
    // Written so that NaN is refused; -0, the quotient of a negative number that underflows, is cell 0.
    if floor >= 0.0 && floor < f64::from(1_u32 << 31) { Some(floor as u64) } else { None }
}

/// Writes `result` of each feature's values in each occupied voxel.
fn reduce(
    shape: &VoxelizeShape,
    features: &HostTensor,
    groups: &[&[Member]],
    voxels: &mut HostTensor,
    result: fn(&[f32]) -> f32,
) {
    match features.dtype() {
        DType::F32 => reduce_typed::<f32>(shape, features, groups, voxels, result),
        DType::F16 => reduce_typed::<f16>(shape, features, groups, voxels, result),
        DType::Bf16 => reduce_typed::<bf16>(shape, features, groups, voxels, result),
        DType::I32 | DType::I64 => unreachable!("features are floating-point: the problem was made so"),
    }
}

fn reduce_typed<E: Exact>(
    shape: &VoxelizeShape,
    features: &HostTensor,
    groups: &[&[Member]],
    voxels: &mut HostTensor,
    result: fn(&[f32]) -> f32,
) {
    let width = shape.features;
    let features = features.as_slice::<E>();
    let rows = occupied_rows(voxels.as_mut_slice(), width, groups);
    rows.into_par_iter().zip(groups).for_each_init(Vec::new, |values: &mut Vec<f32>, (row, group)| {
        for (feature, voxel) in row.iter_mut().enumerate() {
            values.clear();
            // Exact: every feature is an f32.
            values.extend(group.iter().map(|member| features[member.point as usize * width + feature].exact() as f32));
            *voxel = result(values);
        }
    });
}

/// The rows of the occupied voxels, in the order of `groups`, so that threads can write them side by side.
fn occupied_rows<'a>(voxels: &'a mut [f32], width: usize, groups: &[&[Member]]) -> Vec<&'a mut [f32]> {
    let (mut rest, mut next) = (voxels, 0);
    let mut rows = Vec::with_capacity(groups.len());
    for group in groups {
        let voxel = group[0].voxel as usize;
        let (_, behind) = rest.split_at_mut((voxel - next) * width);
        let (row, behind) = behind.split_at_mut(width);
        rows.push(row);
        (rest, next) = (behind, voxel + 1);
    }
    rows
}

/// IEEE 754-2019 `maximum` of at least one value: NaN if any is, in its canonical form, and -0 below +0.
fn maximum(values: &[f32]) -> f32 {
    if values.iter().any(|value| value.is_nan()) {
        return f32::from_bits(0x7FC0_0000);
    }
    // totalOrder (IEEE 754-2019, section 5.10) places -0 below +0, and is the usual order for all other numbers.
    values.iter().copied().max_by(f32::total_cmp).expect("an occupied voxel has a point")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        distribution::Distribution,
        operator::Operator,
        operators::voxelize::{Voxelize, rational::is_nearest},
        parameters::{Parameters, Value},
        random::Seed,
    };

    fn problem(mode: &str, points: i64, grid: [i64; 3]) -> Box<dyn Problem> {
        let mut parameters = Parameters::new([
            ("mode".to_owned(), Value::Word(mode.to_owned())),
            ("n".to_owned(), Value::Integer(points)),
            ("grid".to_owned(), Value::List(grid.map(Value::Integer).to_vec())),
            ("voxel_size".to_owned(), Value::Number(0.5)),
        ]);
        if matches!(mode, "mean" | "max") {
            parameters.set("f", Value::Integer(2));
        }
        Voxelize.problem(DType::F32, &parameters).unwrap()
    }

    fn bits(reference: &Reference, output: usize) -> &HostTensor {
        match &reference.outputs[output] {
            Expected::Bits(bits) => bits,
            Expected::Within(_) => panic!("voxelize is exact"),
        }
    }

    /// Six points in a grid of 2 x 1 x 3 voxels of edge 0.5; the last two are outside.
    const POINTS: [f32; 18] =
        [0.1, 0.1, 0.1, 0.6, 0.2, 1.2, 0.7, 0.4, 1.4, 0.0, 0.0, 0.0, 1.0, 0.1, 0.1, 0.1, 0.1, f32::NAN];

    fn by_hand(mode: &str, features: &[f32]) -> (Vec<f64>, i64) {
        let problem = problem(mode, 6, [2, 1, 3]);
        let specs = problem.inputs();
        let mut inputs = vec![HostTensor::from_slice(specs[0].clone(), &POINTS)];
        if let Some(spec) = specs.get(1) {
            inputs.push(HostTensor::from_slice(spec.clone(), features));
        }
        let reference = problem.reference(&inputs);
        let voxels = bits(&reference, 0);
        let voxels = if matches!(mode, "mean" | "max") {
            voxels.as_slice::<f32>().iter().map(|&voxel| voxel.into()).collect()
        } else {
            voxels.as_slice::<i32>().iter().map(|&voxel| voxel.into()).collect()
        };
        (voxels, bits(&reference, 1).as_slice::<i64>()[0])
    }

    #[test]
    fn small_clouds_by_hand() {
        let features = [1.0, -8.0, -1.0, 4.0, -3.0, 1.0, 2.0, -9.0, 50.0, 50.0, 50.0, 50.0];
        assert_eq!(by_hand("count", &[]), (vec![2.0, 0.0, 0.0, 0.0, 0.0, 2.0], 2));
        assert_eq!(by_hand("occupancy", &[]), (vec![1.0, 0.0, 0.0, 0.0, 0.0, 1.0], 2));
        let sparse = |first: [f64; 2], last: [f64; 2]| [&first[..], &[0.0; 8], &last[..]].concat();
        assert_eq!(by_hand("mean", &features), (sparse([1.5, -8.5], [-2.0, 2.5]), 2));
        assert_eq!(by_hand("max", &features), (sparse([2.0, -8.0], [-1.0, 4.0]), 2));
    }

    #[test]
    fn means_of_adversarial_clouds_agree_with_rational_arithmetic() {
        let problem = problem("mean", 400, [5, 4, 3]);
        for distribution in [
            Distribution::Uniform,
            Distribution::WideExponents,
            Distribution::CancellingPairs,
            Distribution::IntegerValued,
            Distribution::ClusteredCloud,
            Distribution::OneVoxel,
            Distribution::OutsideGrid,
        ] {
            let inputs = problem.generate(distribution, Seed::root(21));
            let reference = problem.reference(&inputs);
            let (points, features) = (inputs[0].as_slice::<f32>(), inputs[1].as_slice::<f32>());
            let means = bits(&reference, 0).as_slice::<f32>();
            let mut kept = 0;
            for voxel in 0..60 {
                let corner = [voxel / 12, voxel / 3 % 4, voxel % 3].map(|cell| cell as f32);
                // Edges of 0.5 are exact, so that this is the definition without a division.
                let inside = |point: &[f32]| (0..3).all(|axis| (2.0 * point[axis]).floor() == corner[axis]);
                let members: Vec<_> = (0..400).filter(|point| inside(&points[3 * point..][..3])).collect();
                kept += members.len();
                for feature in 0..2 {
                    let values: Vec<_> = members.iter().map(|member| features[2 * member + feature]).collect();
                    let mean = means[2 * voxel + feature];
                    let right = if values.is_empty() { mean.to_bits() == 0 } else { is_nearest(&values, mean) };
                    assert!(right, "{distribution}: {values:?} -> {mean:e}");
                }
            }
            assert_eq!(bits(&reference, 1).as_slice::<i64>(), [400 - kept as i64], "{distribution}");
            assert!(kept > 50, "{distribution} keeps {kept} points");
        }
    }

    #[test]
    fn cells_are_half_open_and_floor_towards_minus_infinity() {
        assert_eq!(cell(0.0, 0.0, 1.0), Some(0));
        assert_eq!(cell(1.0_f32.next_down(), 0.0, 1.0), Some(0));
        assert_eq!(cell(1.0, 0.0, 1.0), Some(1));
        assert_eq!(cell(-f32::from_bits(1), 0.0, 1.0), None);
        assert_eq!(cell(-0.5, -1.0, 0.25), Some(2));
        // The quotient underflows to -0, whose floor is cell 0.
        assert_eq!(cell(-f32::from_bits(1), 0.0, 10.0), Some(0));
        // IEEE division, not a product with the reciprocal: 0.3 / 0.1 is 3 in f32.
        assert_eq!(cell(0.3, 0.0, 0.1), Some(3));
    }

    #[test]
    fn what_no_grid_holds_has_no_cell() {
        for coordinate in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 2_147_483_648.0] {
            assert_eq!(cell(coordinate, 0.0, 1.0), None);
        }
        assert_eq!(cell(2_147_483_520.0, 0.0, 1.0), Some(2_147_483_520));
    }

    #[test]
    fn maximum_orders_zeros_and_propagates_nan() {
        assert_eq!(maximum(&[-0.0, 0.0]).to_bits(), 0);
        assert_eq!(maximum(&[-0.0, -0.0]).to_bits(), (-0.0_f32).to_bits());
        assert_eq!(maximum(&[-2.0, -1.0]), -1.0);
        assert_eq!(maximum(&[f32::INFINITY, f32::from_bits(0xFFC0_0001)]).to_bits(), 0x7FC0_0000);
    }
}
