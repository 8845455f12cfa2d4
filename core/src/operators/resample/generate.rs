//! Inputs of `resample` and of each stream of `fuse`.

use half::{bf16, f16};

use super::ResampleProblem;
use crate::{
    distribution::Distribution,
    dtype::{DType, Element},
    generate::{
        Pattern, TimeAxis, fill, fill_cancelling, fill_source_times, fill_target_times, integer, of_one_binade,
        special, uniform, wide_exponent,
    },
    operator::Problem,
    operators::times::TimeKind,
    random::Seed,
    tensor::{HostTensor, TensorSpec},
};

/// `x`, `ts`, `tt`.
pub(super) fn generate(problem: &ResampleProblem, distribution: Distribution, seed: Seed) -> Vec<HostTensor> {
    match problem.shape().times {
        TimeKind::F32Seconds => generate_typed::<f32>(problem, distribution, seed),
        TimeKind::I64Nanoseconds => generate_typed::<i64>(problem, distribution, seed),
    }
}

fn generate_typed<T: TimeAxis>(problem: &ResampleProblem, distribution: Distribution, seed: Seed) -> Vec<HostTensor> {
    let shape = *problem.shape();
    let [samples, times, targets]: [TensorSpec; 3] = problem.inputs().try_into().expect("x, ts, tt");
    let times = new_filled::<T>(times, |times| {
        fill_source_times(times, shape.source, distribution, seed.derive("ts"));
    });
    let targets = new_filled::<T>(targets, |targets| {
        let streams = [(times.as_slice(), shape.source)];
        fill_target_times(targets, shape.target, &streams, distribution, seed.derive("tt"));
    });
    vec![fill_samples(samples, distribution, seed.derive("x")), times, targets]
}

/// A tensor that `fill` fills.
pub(crate) fn new_filled<E: Element>(spec: TensorSpec, fill: impl FnOnce(&mut [E])) -> HostTensor {
    let mut tensor = HostTensor::zeros(spec);
    fill(tensor.as_mut_slice());
    tensor
}

/// `x[B,S,D]`.
pub(crate) fn fill_samples(spec: TensorSpec, distribution: Distribution, seed: Seed) -> HostTensor {
    match spec.dtype {
        DType::F32 => fill_typed::<f32>(spec, distribution, seed),
        DType::F16 => fill_typed::<f16>(spec, distribution, seed),
        DType::Bf16 => fill_typed::<bf16>(spec, distribution, seed),
        DType::I32 | DType::I64 => unreachable!("samples are floating-point: the problem was made so"),
    }
}

fn fill_typed<E: Pattern>(spec: TensorSpec, distribution: Distribution, seed: Seed) -> HostTensor {
    let [batch, source, channels] = [0, 1, 2].map(|axis| spec.shape.extents()[axis]);
    new_filled::<E>(spec, |samples| match distribution {
        Distribution::Uniform
        | Distribution::DuplicatedTimes
        | Distribution::ClusteredTimes
        | Distribution::EpochTimes
        | Distribution::ClusteredCloud
        | Distribution::OneVoxel
        | Distribution::OutsideGrid => fill(samples, seed, |generator, _| uniform(generator)),
        Distribution::WideExponents => fill(samples, seed, |generator, _| wide_exponent(generator)),
        Distribution::IntegerValued => fill(samples, seed, |generator, _| integer(generator)),
        Distribution::Midpoints => fill(samples, seed, |generator, _| of_one_binade(generator)),
        Distribution::SpecialValues => fill(samples, seed, |generator, _| special(generator)),
        // Consecutive samples of a channel differ in sign, so that a target half-way cancels.
        Distribution::CancellingPairs => fill_cancelling(samples, batch * channels, seed, |offset| {
            let (row, channel) = (offset / channels, offset % channels);
            (row / source * channels + channel, row % source % 2 == 1)
        }),
    })
}
