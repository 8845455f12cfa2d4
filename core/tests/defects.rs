//! References and distributions can fail an implementation: each defect that kernels are known for, planted into the
//! definitions written out, is found by the inputs of some distribution, and the definitions themselves are not.

use half::bf16;
use robocache_core::{
    compare::{compare_bits, compare_bounded},
    distribution::Distribution,
    dtype::{DType, Float},
    operator::Problem,
    operators::{registry, times::Time},
    parameters::{Parameters, Value},
    random::Seed,
    reference::Expected,
    tensor::HostTensor,
};

macro_rules! defects {
    ($name:ident { $($defect:ident,)* }) => {
        #[derive(Clone, Copy, Debug, PartialEq)]
        enum $name {
            $($defect,)*
        }

        impl $name {
            const ALL: [Self; [$(Self::$defect),*].len()] = [$(Self::$defect),*];
        }
    };
}

fn problem(operator: &str, dtype: DType, arguments: &[(&str, Value)]) -> Box<dyn Problem> {
    let arguments = arguments.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    registry().get(operator).unwrap().problem(dtype, &Parameters::new(arguments)).unwrap()
}

/// The distributions whose inputs tell what `run` gives from what must come.
fn found_by(
    operator: &str,
    problem: &dyn Problem,
    run: impl Fn(&[HostTensor], &mut [HostTensor]),
) -> Vec<Distribution> {
    let registry = registry();
    let distributions = registry.get(operator).unwrap().distributions().iter().copied();
    let finds = |distribution: &Distribution| {
        let inputs = problem.generate(*distribution, Seed::root(1));
        let mut outputs: Vec<_> = problem.outputs().into_iter().map(|spec| HostTensor::poisoned(spec, 0xFF)).collect();
        run(&inputs, &mut outputs);
        let reference = problem.reference(&inputs);
        reference.outputs.iter().zip(&outputs).any(|(expected, output)| {
            let comparison = match expected {
                Expected::Bits(bits) => compare_bits(bits, output),
                Expected::Within(bounded) => compare_bounded(bounded, output),
            };
            comparison.differing > 0
        })
    };
    distributions.filter(finds).collect()
}

defects! { ResampleDefect {
    SwappedWeights,
    ExtrapolatedPastTheEnd,
    FirstSampleForTargetsBeforeIt,
    FirstOfDuplicates,
    KnotBlendedWithItsNeighbour,
    SearchOffByOneAtKnots,
    TruncatingStore,
    NarrowWeight,
    NarrowAccumulation,
    SubnormalsFlushed,
    NanSwallowed,
    NanPayloadCopied,
    TimesThroughF32,
    FirstSequencesTimes,
    TailUnwritten,
} }

const BATCH: usize = 24;
const SOURCE: usize = 60;
const CHANNELS: usize = 4;
const TARGET: usize = 90;

/// A time of either type as what a careless kernel makes of it.
trait AsF32: Time {
    fn as_f32(self) -> f32;
}

impl AsF32 for f32 {
    fn as_f32(self) -> f32 {
        self
    }
}

impl AsF32 for i64 {
    fn as_f32(self) -> f32 {
        self as f32
    }
}

/// `resample` by its definition, or nearly so.
fn resample<T: AsF32>(inputs: &[HostTensor], outputs: &mut [HostTensor], defect: Option<ResampleDefect>) {
    let has = |other| defect == Some(other);
    let (x, ts, tt) = (inputs[0].as_slice::<bf16>(), inputs[1].as_slice::<T>(), inputs[2].as_slice::<T>());
    let rows = outputs[0].as_mut_slice::<bf16>().chunks_exact_mut(CHANNELS);
    let written = BATCH * TARGET - usize::from(has(ResampleDefect::TailUnwritten));
    for (row, (y, &t)) in rows.zip(tt).take(written).enumerate() {
        let sequence = row / TARGET;
        let sample = |index: usize| &x[(sequence * SOURCE + index) * CHANNELS..][..CHANNELS];
        let timed = if has(ResampleDefect::FirstSequencesTimes) { 0 } else { sequence };
        let ts = &ts[timed * SOURCE..][..SOURCE];
        let behind = if has(ResampleDefect::FirstOfDuplicates) {
            ts.partition_point(|time| *time < t) + usize::from(ts.contains(&t))
        } else if has(ResampleDefect::SearchOffByOneAtKnots) {
            ts.partition_point(|time| *time < t)
        } else {
            ts.partition_point(|time| *time <= t)
        };
        let past = behind == SOURCE && !(has(ResampleDefect::ExtrapolatedPastTheEnd) && t > ts[SOURCE - 1]);
        let on = behind > 0 && ts[behind - 1] == t && !has(ResampleDefect::KnotBlendedWithItsNeighbour);
        if behind == 0 || past || on {
            let copied = if behind == 0 && has(ResampleDefect::FirstSampleForTargetsBeforeIt) {
                1
            } else {
                behind.saturating_sub(1)
            };
            for (y, &x) in y.iter_mut().zip(sample(copied)) {
                *y = if has(ResampleDefect::NanPayloadCopied) { x } else { x.canonical() };
            }
            continue;
        }
        let before = (behind - 1).min(SOURCE - 2);
        let mut w = T::difference(t, ts[before]) / T::difference(ts[before + 1], ts[before]);
        if has(ResampleDefect::TimesThroughF32) {
            w = (t.as_f32() - ts[before].as_f32()) / (ts[before + 1].as_f32() - ts[before].as_f32());
        }
        if has(ResampleDefect::NarrowWeight) {
            w = bf16::narrow(w).widen();
        }
        if has(ResampleDefect::SwappedWeights) {
            w = 1.0 - w;
        }
        for (y, (x0, x1)) in y.iter_mut().zip(sample(before).iter().zip(sample(before + 1))) {
            let (mut first, mut second) = (x0.widen() * (1.0 - w), x1.widen() * w);
            if has(ResampleDefect::NarrowAccumulation) {
                (first, second) = (bf16::narrow(first).widen(), bf16::narrow(second).widen());
            }
            let sum = first + second;
            *y = bf16::narrow(sum);
            if has(ResampleDefect::TruncatingStore) && !sum.is_nan() {
                *y = bf16::from_bits((sum.to_bits() >> 16) as u16);
            }
            if has(ResampleDefect::SubnormalsFlushed) && sum.is_subnormal() {
                *y = bf16::ZERO;
            }
            if has(ResampleDefect::NanSwallowed) && sum.is_nan() {
                *y = *x0;
            }
        }
    }
}

fn resample_found<T: AsF32>(defect: Option<ResampleDefect>) -> Vec<Distribution> {
    let extents = [("b", BATCH), ("s", SOURCE), ("d", CHANNELS), ("t", TARGET)];
    let mut arguments: Vec<_> = extents.iter().map(|(name, extent)| (*name, Value::Integer(*extent as i64))).collect();
    arguments.push(("times", Value::Word(T::DTYPE.name().to_owned())));
    let problem = problem("resample", DType::Bf16, &arguments);
    found_by("resample", problem.as_ref(), |inputs, outputs| resample::<T>(inputs, outputs, defect))
}

#[test]
fn every_defect_of_resample_is_found_and_the_definition_is_not() {
    assert_eq!(resample_found::<f32>(None), []);
    assert_eq!(resample_found::<i64>(None), []);
    for defect in ResampleDefect::ALL {
        let nanoseconds = resample_found::<i64>(Some(defect));
        assert!(!nanoseconds.is_empty(), "{defect:?} escapes with i64 times");
        // Seconds are f32 already.
        if defect != ResampleDefect::TimesThroughF32 {
            assert!(!resample_found::<f32>(Some(defect)).is_empty(), "{defect:?} escapes with f32 times");
        }
    }
}

#[test]
fn epoch_times_through_f32_are_found_by_epoch_times() {
    assert!(resample_found::<i64>(Some(ResampleDefect::TimesThroughF32)).contains(&Distribution::EpochTimes));
}

defects! { VoxelDefect {
    TruncatedCell,
    UpperEdgeKept,
    ReciprocalInsteadOfDivision,
    OriginForgotten,
    AxesSwapped,
    CellsInI32,
    DroppedUncounted,
    PointsOnlyOnce,
    MaximumFromZero,
    NanIgnored,
    ZerosUnordered,
    SumInF32,
    SumInF64,
    DivisorOfAllPoints,
    ReciprocalOfCount,
} }

const GRID: [usize; 3] = [6, 40, 8];
const ORIGIN: [f32; 3] = [-0.3, 0.0, 0.25];
const VOXEL_SIZE: f32 = 0.1;
const POINTS: usize = 6000;

/// The offset of a point's voxel by the definition, or nearly so.
fn voxel(point: &[f32], defect: Option<VoxelDefect>) -> Option<usize> {
    let has = |other| defect == Some(other);
    let mut cells = [0; 3];
    for axis in 0..3 {
        let origin = if has(VoxelDefect::OriginForgotten) { 0.0 } else { ORIGIN[axis] };
        let distance = point[axis] - origin;
        let position = if has(VoxelDefect::ReciprocalInsteadOfDivision) {
            distance * (1.0 / VOXEL_SIZE)
        } else {
            distance / VOXEL_SIZE
        };
        let cell = if has(VoxelDefect::TruncatedCell) { position.trunc() } else { position.floor() };
        if cell.is_nan() {
            return None;
        }
        let cell = if has(VoxelDefect::CellsInI32) { i64::from(cell as i64 as i32) } else { cell as i64 };
        let cells_here = GRID[axis] as i64;
        let limit = cells_here + i64::from(has(VoxelDefect::UpperEdgeKept));
        if !(0..limit).contains(&cell) {
            return None;
        }
        cells[axis] = cell.min(cells_here - 1) as usize;
    }
    let [x, y, z] = cells;
    Some(if has(VoxelDefect::AxesSwapped) { (z * GRID[1] + y) * GRID[0] + x } else { (x * GRID[1] + y) * GRID[2] + z })
}

/// The maximum of one voxel.
fn maximum(values: &[f32], defect: Option<VoxelDefect>) -> f32 {
    let mut maximum = if defect == Some(VoxelDefect::MaximumFromZero) { 0.0 } else { f32::NEG_INFINITY };
    for &value in values {
        let larger = if defect == Some(VoxelDefect::ZerosUnordered) {
            value > maximum
        } else {
            value.total_cmp(&maximum).is_gt()
        };
        if value.is_nan() && defect != Some(VoxelDefect::NanIgnored) {
            return f32::from_bits(0x7FC0_0000);
        }
        if !value.is_nan() && larger {
            maximum = value;
        }
    }
    maximum
}

/// The mean of one voxel, as kernels that are not correctly rounded compute it.
fn mean(values: &[f32], defect: Option<VoxelDefect>) -> f32 {
    let count = if defect == Some(VoxelDefect::DivisorOfAllPoints) { POINTS } else { values.len() };
    let sum: f64 = if defect == Some(VoxelDefect::SumInF32) {
        values.iter().sum::<f32>().into()
    } else {
        values.iter().map(|value| f64::from(*value)).sum()
    };
    let mean = if defect == Some(VoxelDefect::ReciprocalOfCount) {
        sum as f32 * (1.0 / count as f32)
    } else {
        (sum / count as f64) as f32
    };
    // +0 for an exact zero, and the canonical NaN: no defect here.
    if mean == 0.0 && sum == 0.0 { 0.0 } else { mean.canonical() }
}

fn voxelize(mode: &str, inputs: &[HostTensor], outputs: &mut [HostTensor], defect: Option<VoxelDefect>) {
    let mut members = vec![Vec::new(); GRID.iter().product()];
    let mut dropped = 0;
    for (number, point) in inputs[0].as_slice::<f32>().chunks_exact(3).enumerate() {
        match voxel(point, defect) {
            Some(voxel) => members[voxel].push(number),
            None => dropped += 1,
        }
    }
    if defect == Some(VoxelDefect::PointsOnlyOnce) {
        members.iter_mut().for_each(|members| members.truncate(1));
    }
    if defect == Some(VoxelDefect::DroppedUncounted) {
        dropped = 0;
    }
    outputs[1].as_mut_slice::<i64>()[0] = dropped;
    if mode == "count" {
        for (voxel, members) in outputs[0].as_mut_slice::<i32>().iter_mut().zip(members) {
            *voxel = members.len() as i32;
        }
        return;
    }
    let features = inputs[1].as_slice::<f32>();
    for (voxel, members) in outputs[0].as_mut_slice::<f32>().iter_mut().zip(members) {
        let values: Vec<_> = members.into_iter().map(|member| features[member]).collect();
        *voxel = match mode {
            _ if values.is_empty() => 0.0,
            "max" => maximum(&values, defect),
            _ => mean(&values, defect),
        };
    }
}

fn voxelize_found(mode: &str, defect: Option<VoxelDefect>) -> Vec<Distribution> {
    let numbers = |numbers: &[f32]| Value::List(numbers.iter().map(|&number| Value::Number(number.into())).collect());
    let mut arguments = vec![
        ("mode", Value::Word(mode.to_owned())),
        ("n", Value::Integer(POINTS as i64)),
        ("grid", Value::List(GRID.iter().map(|&extent| Value::Integer(extent as i64)).collect())),
        ("origin", numbers(&ORIGIN)),
        ("voxel_size", Value::Number(VOXEL_SIZE.into())),
    ];
    if mode != "count" {
        arguments.push(("f", Value::Integer(1)));
    }
    let problem = problem("voxelize", DType::F32, &arguments);
    found_by("voxelize", problem.as_ref(), |inputs, outputs| voxelize(mode, inputs, outputs, defect))
}

#[test]
fn every_defect_of_voxelize_is_found_and_the_definition_is_not() {
    assert_eq!(voxelize_found("count", None), []);
    assert_eq!(voxelize_found("max", None), []);
    for defect in VoxelDefect::ALL {
        let modes: &[&str] = match defect {
            VoxelDefect::TruncatedCell
            | VoxelDefect::UpperEdgeKept
            | VoxelDefect::ReciprocalInsteadOfDivision
            | VoxelDefect::OriginForgotten
            | VoxelDefect::AxesSwapped
            | VoxelDefect::CellsInI32
            | VoxelDefect::DroppedUncounted
            | VoxelDefect::PointsOnlyOnce => &["count", "max"],
            VoxelDefect::MaximumFromZero | VoxelDefect::NanIgnored | VoxelDefect::ZerosUnordered => &["max"],
            VoxelDefect::SumInF32
            | VoxelDefect::SumInF64
            | VoxelDefect::DivisorOfAllPoints
            | VoxelDefect::ReciprocalOfCount => &["mean"],
        };
        for mode in modes {
            assert!(!voxelize_found(mode, Some(defect)).is_empty(), "{defect:?} escapes in {mode}");
        }
    }
}

#[test]
fn a_sum_in_f64_is_found_by_values_that_cancel_and_not_by_integers() {
    let found = voxelize_found("mean", Some(VoxelDefect::SumInF64));
    assert!(
        found.contains(&Distribution::CancellingPairs) || found.contains(&Distribution::WideExponents),
        "{found:?}"
    );
    assert!(!found.contains(&Distribution::IntegerValued), "{found:?}");
    assert!(!voxelize_found("mean", Some(VoxelDefect::SumInF32)).contains(&Distribution::IntegerValued));
}
