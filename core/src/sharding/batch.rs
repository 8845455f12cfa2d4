//! Operators of which each sequence stands for itself.

use std::ops::Range;

use super::{Sharded, ShardingError, gather::gather};
use crate::{
    communicator::Communicator,
    operator::{Problem, RunProblem, check_tensors},
    tensor::{HostTensor, TensorSpec},
};

/// The argument that says how many sequences there are.
const ARGUMENT: &str = "b";

/// Bytes of one row of the first axis.
pub(super) fn row_bytes(spec: &TensorSpec) -> usize {
    spec.shape.extents()[1..].iter().product::<usize>() * spec.dtype.size_bytes()
}

/// These rows of each input, as the inputs of a problem of so many.
pub(super) fn rows(problem: &dyn Problem, inputs: &[HostTensor], rows: &Range<usize>) -> Vec<HostTensor> {
    let share = |(spec, input): (TensorSpec, &HostTensor)| {
        let row = row_bytes(&spec);
        let mut share = HostTensor::zeros(spec);
        share.bytes_mut().copy_from_slice(&input.bytes()[rows.start * row..rows.end * row]);
        share
    };
    problem.inputs().into_iter().zip(inputs).map(share).collect()
}

pub(super) fn sharded<C: Communicator>(
    sharded: &Sharded<'_>,
    whole: &dyn Problem,
    inputs: &[HostTensor],
    communicator: &mut C,
    run: RunProblem<'_>,
) -> Result<Vec<HostTensor>, ShardingError> {
    let batch = inputs[0].shape().extents()[0];
    let ranges = sharded.partition.ranges(batch, communicator.world());
    let own = &ranges[communicator.rank()];
    let problem = sharded.share(ARGUMENT, own.len())?;
    let shares = run(&*problem, &rows(&*problem, inputs, own))?;
    check_tensors(&problem.outputs(), &shares)?;
    let mut outputs = Vec::with_capacity(shares.len());
    for (spec, share) in whole.outputs().into_iter().zip(shares) {
        let row = row_bytes(&spec);
        let places: Vec<_> = ranges.iter().map(|range| range.start * row..range.end * row).collect();
        let mut output = HostTensor::zeros(spec);
        gather(communicator, share.bytes(), &places, output.bytes_mut())?;
        outputs.push(output);
    }
    Ok(outputs)
}
