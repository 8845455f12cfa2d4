//! A rank's side of a sharded operator: the same bits as on one rank.

use robocache_core::{
    communicator::Communicator,
    compare::compare_bits,
    registry::Registry,
    sharding::{Partition, ShardingError, sharded},
};
use serde::{Deserialize, Serialize};

use crate::{
    cell::{Cell, Device},
    observation::Gathered,
    ranks::WorkError,
    suites::{
        Unprepared, Wanted,
        device::{hashes, run_as_rank},
        prepare_wanted,
    },
};

/// What a rank is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ShardedTask {
    pub(super) cell: Box<Cell>,
    pub(super) partition: Partition,
}

/// Runs the cell's operator together with the other ranks, and alone.
pub(super) fn perform<C: Communicator>(
    registry: &Registry,
    device: Device,
    communicator: &mut C,
    task: &ShardedTask,
) -> Result<Gathered, WorkError> {
    let ShardedTask { cell, partition } = task;
    // Every rank makes all inputs: they are the seed's.
    let prepared = prepare_wanted(registry, &Wanted::of(cell), None)
        .map_err(Unprepared::into_message)
        .map_err(WorkError::Failed)?;
    let operator = registry
        .get(&cell.operator)
        .ok_or_else(|| WorkError::Failed(format!("this program knows no operator `{}`", cell.operator)))?;
    let together = sharded(
        &**operator,
        cell.dtype,
        &cell.parameters,
        &prepared.inputs,
        *partition,
        communicator,
        &mut |problem, inputs| run_as_rank(device, problem, inputs),
    )
    .map_err(work_error)?;
    let alone = run_as_rank(device, &*prepared.problem, &prepared.inputs)
        .map_err(|error| WorkError::Failed(format!("alone: {error}")))?;
    let differing = alone.iter().zip(&together).filter(|(alone, together)| alone.bytes() != together.bytes());
    Ok(Gathered {
        output_hashes: hashes(&together),
        hashes_alone: hashes(&alone),
        elements: together.iter().map(|output| output.shape().elements() as u64).sum(),
        differences: differing.map(|(alone, together)| compare_bits(alone, together)).collect(),
    })
}

/// What kept a rank from its result, as its leader tells it.
pub(super) fn work_error(error: ShardingError) -> WorkError {
    match error {
        ShardingError::Communicator(error) => WorkError::Communicator(error),
        error @ (ShardingError::NotShardable { .. } | ShardingError::Parameter(_) | ShardingError::Run(_)) => {
            WorkError::Failed(error.to_string())
        }
    }
}
