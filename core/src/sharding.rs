//! Operators over several ranks, and why their bits cannot depend on the number of ranks.
//!
//! `resample` and `fuse` are sharded by sequence ([`Sharding::Batch`]): a row of an output is a function of the same row
//! of each input alone, so that any partition of the rows gives the same rows.
//!
//! `voxelize` is sharded by point ([`Sharding::Points`]): each rank begins with points from anywhere, and sends each to the
//! rank that owns its voxel. A voxel's result is by definition a function of the *set* of its points and their features
//! (a count, the IEEE `maximum`, the correctly rounded mean of the exact sum), and all of them meet on its owner; by
//! which way and in which order they came there cannot matter. Partial results are never combined: a sum of rounded
//! sums would depend on the partition. Dropped points stay where they are and are counted; counts are added as
//! integers, which is exact in any order.
//!
//! The operator itself runs wherever the caller says, and the communicator may be of CPUs or GPUs: between the two, data
//! pass through the host. That costs copies, and buys that one code shards over both.

mod batch;
mod gather;
mod partition;
mod points;
#[cfg(test)]
mod tests;
mod training;

pub use self::{
    partition::{Partition, UnknownPartition},
    training::Training,
};
use crate::{
    communicator::{Communicator, CommunicatorError},
    dtype::DType,
    operator::{Operator, Problem, RunError, RunProblem, check_tensors},
    operators::{Definition, voxelize::VoxelizeShape},
    parameters::{InvalidParameter, Parameters, Value},
    tensor::HostTensor,
};

/// Along which axis an operator's work is split over ranks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sharding<'a> {
    /// The first axis of every input and output: independent sequences, argument `b`.
    Batch,
    /// The first axis of every input: points, argument `n`. Outputs are split by voxel of this grid.
    Points(&'a VoxelizeShape),
}

impl<'a> Definition<'a> {
    /// How the operator is sharded.
    pub const fn sharding(&self) -> Sharding<'a> {
        match self {
            Self::Resample(..) | Self::Fuse(..) => Sharding::Batch,
            Self::Voxelize(shape, _) => Sharding::Points(shape),
        }
    }
}

/// Why a sharded operator gave no result on this rank. The other ranks then wait for it until their communicator finds
/// out: whoever gets this must drop its own.
#[derive(Debug, thiserror::Error)]
pub enum ShardingError {
    /// Nothing says how the operator's work is split.
    #[error("`{operator}` cannot be sharded: it is none of the operators whose data are known to be independent")]
    NotShardable {
        /// The operator.
        operator: String,
    },
    /// The arguments make no problem.
    #[error(transparent)]
    Parameter(#[from] InvalidParameter),
    /// The operator gave no result on this rank's share.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The ranks could not exchange what they must.
    #[error(transparent)]
    Communicator(#[from] CommunicatorError),
}

/// An operator at one dtype, split over ranks.
struct Sharded<'a> {
    operator: &'a dyn Operator,
    dtype: DType,
    parameters: &'a Parameters,
    partition: Partition,
}

impl Sharded<'_> {
    /// The same problem with another extent of the axis `argument`.
    fn share(&self, argument: &str, extent: usize) -> Result<Box<dyn Problem>, InvalidParameter> {
        let mut parameters = self.parameters.clone();
        // No more than the extent of the whole, which is an i64.
        parameters.set(argument, Value::Integer(extent as i64));
        self.operator.problem(self.dtype, &parameters)
    }
}

/// Runs an operator together with the other ranks of `communicator`: each on its own share of `inputs`, of which no rank
/// reads another's. Every rank must pass the same operator, dtype, parameters and partition, and gets all outputs.
///
/// `run` runs the operator on this rank's device. It may be called with a share that is empty.
///
/// # Errors
/// See [`ShardingError`].
pub fn sharded<C: Communicator>(
    operator: &dyn Operator,
    dtype: DType,
    parameters: &Parameters,
    inputs: &[HostTensor],
    partition: Partition,
    communicator: &mut C,
    run: RunProblem<'_>,
) -> Result<Vec<HostTensor>, ShardingError> {
    let whole = operator.problem(dtype, parameters)?;
    check_tensors(&whole.inputs(), inputs)?;
    let sharded = Sharded { operator, dtype, parameters, partition };
    let not_shardable = || ShardingError::NotShardable { operator: operator.name().to_owned() };
    let definition = whole.definition().ok_or_else(not_shardable)?;
    match definition.sharding() {
        Sharding::Batch => batch::sharded(&sharded, &*whole, inputs, communicator, run),
        Sharding::Points(shape) => points::sharded(&sharded, &*whole, shape, inputs, communicator, run),
    }
}
