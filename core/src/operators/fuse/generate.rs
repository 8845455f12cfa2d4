//! Inputs of `fuse`: streams as of `resample`, and targets on and between the samples of all of them.

use super::FuseProblem;
use crate::{
    distribution::Distribution,
    generate::{TimeAxis, fill_source_times, fill_target_times},
    operator::Problem,
    operators::{
        resample::{fill_samples, new_filled},
        times::TimeKind,
    },
    random::Seed,
    tensor::HostTensor,
};

/// `tt`, then `x_0`, `ts_0`, `x_1`, `ts_1` and so on.
pub(super) fn generate(problem: &FuseProblem, distribution: Distribution, seed: Seed) -> Vec<HostTensor> {
    match problem.shape().times {
        TimeKind::F32Seconds => generate_typed::<f32>(problem, distribution, seed),
        TimeKind::I64Nanoseconds => generate_typed::<i64>(problem, distribution, seed),
    }
}

fn generate_typed<T: TimeAxis>(problem: &FuseProblem, distribution: Distribution, seed: Seed) -> Vec<HostTensor> {
    let shape = problem.shape();
    let specs = problem.inputs();
    let mut streams = Vec::new();
    for (stream, specs) in shape.streams.iter().zip(specs[1..].chunks_exact(2)) {
        let [samples, times] = [&specs[0], &specs[1]];
        streams.push(fill_samples(samples.clone(), distribution, seed.derive(&samples.name)));
        streams.push(new_filled::<T>(times.clone(), |filled| {
            fill_source_times(filled, stream.source, distribution, seed.derive(&times.name));
        }));
    }
    let mut inputs = vec![new_filled::<T>(specs[0].clone(), |targets| {
        let times: Vec<_> = streams
            .chunks_exact(2)
            .zip(&shape.streams)
            .map(|(stream, shape)| (stream[1].as_slice::<T>(), shape.source))
            .collect();
        fill_target_times(targets, shape.target, &times, distribution, seed.derive("tt"));
    })];
    inputs.append(&mut streams);
    inputs
}
