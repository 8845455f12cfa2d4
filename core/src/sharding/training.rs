//! A data-parallel loop, in which every step depends on all that all ranks did before.

use std::ops::Range;

use super::{Partition, ShardingError, batch::rows, gather::all_sum};
use crate::{
    collective::{Collective, Transfer},
    communicator::{Communicator, CommunicatorError, Memory},
    distribution::Distribution,
    dtype::DType,
    operator::{Operator, Problem, RunProblem, check_tensors},
    operators::{resample::Resample, voxelize::Voxelize},
    parameters::{InvalidParameter, Parameters, Value},
    random::Seed,
    tensor::{HostTensor, TensorSpec},
};

/// Steps of a loop as training has them: a batch of trajectories `x[B,S,3]`, resampled to `T` times; the positions counted
/// in a grid; the counts added over all ranks; and the next batch made from what came out.
///
/// The root changes with every step. It alone makes the batch, from the hash of the last step, and broadcasts it. So one
/// wrong bit on one rank changes all hashes that follow on all ranks, and a lost or doubled step does too. Everything
/// that is added is an integer: the hashes are the same for every number of ranks and on every device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Training {
    /// How many steps.
    pub steps: u32,
    /// `B`: trajectories of a batch. `B * T` is at most `i32::MAX`.
    pub batch: usize,
    /// `S`: samples of each; at least 1.
    pub source: usize,
    /// `T`: times to which they are resampled.
    pub target: usize,
    /// Voxels along each axis of the cube from -0.75 to 0.75, in which not all positions lie; at least 1.
    pub grid: usize,
    /// How each batch is split over the ranks.
    pub partition: Partition,
    /// Decides the first batch.
    pub seed: u64,
}

/// Half the edge of the cube.
const REACH: f64 = 0.75;

impl Training {
    fn resample(&self, batch: usize) -> Result<Box<dyn Problem>, InvalidParameter> {
        let extents = [("b", batch), ("s", self.source), ("d", 3), ("t", self.target)];
        let named = extents.map(|(name, extent)| (name.to_owned(), Value::Integer(extent as i64)));
        Resample.problem(DType::F32, &Parameters::new(named))
    }

    fn voxelize(&self, batch: usize) -> Result<Box<dyn Problem>, InvalidParameter> {
        let extent = Value::Integer(self.grid as i64);
        let parameters = [
            ("mode", Value::Word("count".to_owned())),
            ("n", Value::Integer(batch.saturating_mul(self.target) as i64)),
            ("grid", Value::List(vec![extent; 3])),
            ("origin", Value::List(vec![Value::Number(-REACH); 3])),
            ("voxel_size", Value::Number(2.0 * REACH / self.grid as f64)),
        ];
        Voxelize.problem(DType::F32, &Parameters::new(parameters.map(|(name, value)| (name.to_owned(), value))))
    }

    /// Does all steps together with the other ranks, who must pass the same; `run` runs an operator on this rank's
    /// device. Gives BLAKE3 of the counts and the number of points outside the grid of each step.
    ///
    /// # Errors
    /// See [`ShardingError`].
    pub fn run<C: Communicator>(
        &self,
        communicator: &mut C,
        run: RunProblem<'_>,
    ) -> Result<Vec<blake3::Hash>, ShardingError> {
        let (rank, world) = (communicator.rank(), communicator.world());
        // The whole must be legal too, so that sums of counts fit.
        self.voxelize(self.batch)?;
        let whole = self.resample(self.batch)?;
        let own = self.partition.range(self.batch, rank, world);
        let (resample, voxelize) = (self.resample(own.len())?, self.voxelize(own.len())?);
        let mut seed = Seed::root(self.seed);
        let mut hashes = Vec::new();
        for step in 0..self.steps {
            let root = step as usize % world;
            let made = (rank == root).then(|| whole.generate(Distribution::Uniform, seed));
            let batch = broadcast(communicator, root, &whole.inputs(), made)?;
            let (counts, dropped) = self.step(&own, &*resample, &*voxelize, &batch, communicator, run)?;
            let mut hasher = blake3::Hasher::new();
            hasher.update(counts.bytes()).update(dropped.bytes());
            let hash = hasher.finalize();
            seed = Seed::root(self.seed).derive(&hash.to_hex());
            hashes.push(hash);
        }
        Ok(hashes)
    }

    /// The counts and the dropped points of all ranks.
    fn step<C: Communicator>(
        &self,
        own: &Range<usize>,
        resample: &dyn Problem,
        voxelize: &dyn Problem,
        batch: &[HostTensor],
        communicator: &mut C,
        run: RunProblem<'_>,
    ) -> Result<(HostTensor, HostTensor), ShardingError> {
        let positions = run(resample, &rows(resample, batch, own))?;
        check_tensors(&resample.outputs(), &positions)?;
        // `y[B,T,3]` are `points[B*T,3]`.
        let mut points: Vec<_> = voxelize.inputs().into_iter().map(HostTensor::zeros).collect();
        points[0].bytes_mut().copy_from_slice(positions[0].bytes());
        let counts = run(voxelize, &points)?;
        check_tensors(&voxelize.outputs(), &counts)?;
        let [mut counts, mut dropped] =
            <[HostTensor; 2]>::try_from(counts).expect("voxelize has two outputs, as was just checked");
        all_sum(communicator, DType::I32, counts.bytes_mut())?;
        all_sum(communicator, DType::I64, dropped.bytes_mut())?;
        Ok((counts, dropped))
    }
}

/// What the root made, on every rank.
fn broadcast<C: Communicator>(
    communicator: &mut C,
    root: usize,
    specs: &[TensorSpec],
    made: Option<Vec<HostTensor>>,
) -> Result<Vec<HostTensor>, CommunicatorError> {
    let mut tensors = made.unwrap_or_else(|| specs.iter().cloned().map(HostTensor::zeros).collect());
    for tensor in &mut tensors {
        let transfer = Transfer {
            collective: Collective::Broadcast,
            dtype: tensor.dtype(),
            block: tensor.shape().elements(),
            root,
            send_offset: 0,
            receive_offset: 0,
        };
        let mut memory = communicator.allocate(tensor.bytes().len())?;
        memory.write(0, tensor.bytes())?;
        communicator.enqueue(&mut memory, &transfer, 0)?;
        communicator.wait()?;
        memory.read(0, tensor.bytes_mut())?;
    }
    Ok(tensors)
}
