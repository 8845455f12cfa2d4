//! Clouds of which each point is sent to the rank that owns its voxel.

use std::ops::Range;

use super::{
    Sharded, ShardingError,
    batch::row_bytes,
    gather::{all_gather, all_sum, gather},
};
use crate::{
    communicator::{Communicator, CommunicatorError, Memory, Piece},
    dtype::DType,
    operator::{Problem, RunProblem, check_tensors},
    operators::voxelize::{self, VoxelizeShape},
    tensor::HostTensor,
};

/// The argument that says how many points there are.
const ARGUMENT: &str = "n";

/// The points of this rank, by the rank that owns their voxels.
struct Sorted {
    /// The record of each point: its row of each input, one after the other. Owners ascend.
    records: Vec<u8>,
    /// How many points go to each rank.
    counts: Vec<usize>,
    /// Points outside the grid.
    dropped: usize,
}

/// Sorts `points` of all inputs by owner. `owned` are the voxels of each rank.
fn sort(shape: &VoxelizeShape, inputs: &[HostTensor], points: &Range<usize>, owned: &[Range<usize>]) -> Sorted {
    let voxels = voxelize::cpu::locate(shape, &inputs[0].as_slice()[3 * points.start..3 * points.end]);
    // Of several ranks that end with one voxel the first owns it: the others own none.
    let owner = |voxel: u64| owned.partition_point(|range| range.end as u64 <= voxel);
    let mut counts = vec![0; owned.len()];
    let mut by_owner = Vec::with_capacity(voxels.len());
    for (point, &voxel) in points.clone().zip(&voxels) {
        // Dropped points have a voxel past the last, which nobody owns.
        if let Some(count) = counts.get_mut(owner(voxel)) {
            *count += 1;
            by_owner.push((owner(voxel), point));
        }
    }
    by_owner.sort_by_key(|&(owner, _)| owner);
    let mut records = Vec::new();
    for &(_, point) in &by_owner {
        for input in inputs {
            let row = row_bytes(input.spec());
            records.extend_from_slice(&input.bytes()[point * row..(point + 1) * row]);
        }
    }
    Sorted { records, counts, dropped: points.len() - by_owner.len() }
}

/// Sends each record to its owner: the records that came to this rank.
fn deliver<C: Communicator>(
    communicator: &mut C,
    sorted: &Sorted,
    record: usize,
) -> Result<Vec<u8>, CommunicatorError> {
    let (rank, world) = (communicator.rank(), communicator.world());
    let own: Vec<i64> = sorted.counts.iter().map(|&count| count as i64).collect();
    let all = all_gather(communicator, &own)?;
    let pieces = |counts: &mut dyn Iterator<Item = i64>, mut offset: usize| -> (Vec<Piece>, usize) {
        let mut pieces = Vec::with_capacity(world);
        for (peer, count) in counts.enumerate() {
            let bytes = count as usize * record;
            pieces.push(Piece { peer, offset, bytes });
            offset += bytes;
        }
        (pieces, offset)
    };
    let (sent, middle) = pieces(&mut own.iter().copied(), 0);
    let (received, end) = pieces(&mut (0..world).map(|from| all[from * world + rank]), middle);
    let mut memory = communicator.allocate(end)?;
    memory.write(0, &sorted.records)?;
    communicator.exchange(&mut memory, &sent, &received)?;
    let mut records = vec![0; end - middle];
    memory.read(middle, &mut records)?;
    Ok(records)
}

/// The inputs of a problem of as many points as there are records.
fn unpack(problem: &dyn Problem, records: &[u8], record: usize) -> Vec<HostTensor> {
    let mut start = 0;
    let mut inputs = Vec::new();
    for spec in problem.inputs() {
        let row = row_bytes(&spec);
        let mut input = HostTensor::zeros(spec);
        for (place, record) in input.bytes_mut().chunks_exact_mut(row).zip(records.chunks_exact(record)) {
            place.copy_from_slice(&record[start..start + row]);
        }
        start += row;
        inputs.push(input);
    }
    inputs
}

pub(super) fn sharded<C: Communicator>(
    sharded: &Sharded<'_>,
    whole: &dyn Problem,
    shape: &VoxelizeShape,
    inputs: &[HostTensor],
    communicator: &mut C,
    run: RunProblem<'_>,
) -> Result<Vec<HostTensor>, ShardingError> {
    let (rank, world) = (communicator.rank(), communicator.world());
    let points = sharded.partition.range(shape.points, rank, world);
    let owned = sharded.partition.ranges(shape.grid.iter().product(), world);
    let record = inputs.iter().map(|input| row_bytes(input.spec())).sum();
    let sorted = sort(shape, inputs, &points, &owned);
    let records = deliver(communicator, &sorted, record)?;

    let problem = sharded.share(ARGUMENT, records.len() / record)?;
    let results = run(&*problem, &unpack(&*problem, &records, record))?;
    check_tensors(&problem.outputs(), &results)?;
    let [voxels, dropped] = &results[..] else { unreachable!("voxelize has two outputs, as was just checked") };

    let mut outputs: Vec<_> = whole.outputs().into_iter().map(HostTensor::zeros).collect();
    let voxel = shape.features.max(1) * voxels.dtype().size_bytes();
    let places: Vec<_> = owned.iter().map(|range| range.start * voxel..range.end * voxel).collect();
    gather(communicator, &voxels.bytes()[places[rank].clone()], &places, outputs[0].bytes_mut())?;
    // The owner drops nothing that was sent to it. If it does, its cells are not those of the definition, and the sum
    // shows that.
    outputs[1].as_mut_slice::<i64>()[0] = sorted.dropped as i64 + dropped.as_slice::<i64>()[0];
    all_sum(communicator, DType::I64, outputs[1].bytes_mut())?;
    Ok(outputs)
}
