//! What a rank does when it is told to.

use robocache_core::{collective::Patterned, communicator::Communicator};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::{
    collective::{self, CollectiveTask},
    script::{self, Script},
    sharded::{self, ShardedTask},
    training::TrainingTask,
};
use crate::{
    cell::Device,
    ranks::{Work, WorkError},
    subject::Served,
};

/// What the leader tells a rank.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RankTask {
    Collective(CollectiveTask),
    Sharded(ShardedTask),
    Training(TrainingTask),
    Script(Script),
}

/// The work of the ranks of cells: the tasks of this suite, on these operators.
pub(crate) struct RankWork<'a> {
    served: Served<'a>,
    device: Device,
}

impl<'a> RankWork<'a> {
    pub(crate) const fn new(served: Served<'a>, device: Device) -> Self {
        Self { served, device }
    }
}

impl Work for RankWork<'_> {
    fn perform<C>(&self, communicator: &mut C, task: &RawValue) -> Result<Box<RawValue>, WorkError>
    where
        C: Communicator,
        C::Memory: Patterned,
    {
        let task: RankTask = serde_json::from_str(task.get()).map_err(failed)?;
        match task {
            RankTask::Collective(task) => reported(&collective::perform(communicator, task)?),
            RankTask::Sharded(task) => {
                let registry = self.served.registry().map_err(WorkError::Failed)?;
                reported(&sharded::perform(registry, self.device, communicator, &task)?)
            }
            RankTask::Training(task) => reported(&task.perform(self.device, communicator)?),
            RankTask::Script(script) => reported(&script::perform(communicator, &script)?),
        }
    }
}

fn reported(report: &impl Serialize) -> Result<Box<RawValue>, WorkError> {
    to_raw_value(report).map_err(failed)
}

fn failed(error: serde_json::Error) -> WorkError {
    WorkError::Failed(format!("a task or a report is not understood: {error}"))
}
