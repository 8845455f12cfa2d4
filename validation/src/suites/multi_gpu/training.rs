//! Data-parallel training steps, on any number of ranks and on one CPU rank.

use std::{io, sync::Arc, time::Duration};

use robocache_core::{
    communicator::{Communicator, Mesh, Patience, Unwatched},
    sharding::{Partition, Training},
};
use serde::{Deserialize, Serialize};

use super::sharded::work_error;
use crate::{
    cell::Device,
    observation::{StepDifference, Trained},
    ranks::WorkError,
    suites::device::run_as_rank,
};

/// Trajectories of a batch, samples of each, times to which they are resampled, and voxels along each axis.
const EXTENTS: [usize; 4] = [24, 20, 16, 8];

/// How long one step of the reference may take: nobody else is waited for.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a rank is told.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct TrainingTask {
    pub(super) steps: u32,
    pub(super) seed: u64,
}

impl TrainingTask {
    fn training(self) -> Training {
        let [batch, source, target, grid] = EXTENTS;
        Training { steps: self.steps, batch, source, target, grid, partition: Partition::Even, seed: self.seed }
    }

    /// Trains on one CPU rank, in this process: the hash of each step.
    pub(super) fn reference(self) -> Result<Vec<String>, WorkError> {
        let alone = Patience { deadline: DEADLINE, referee: Arc::new(Unwatched) };
        let failed = |error: io::Error| WorkError::Failed(error.to_string());
        let ranks = Mesh::in_process(1, |_| alone.clone()).map_err(failed)?;
        let mut communicator = ranks.into_iter().next().ok_or_else(|| WorkError::Failed("no rank".to_owned()))?;
        self.perform(Device::Cpu, &mut communicator)
    }

    /// Trains together with other ranks: the hash of each step.
    pub(super) fn perform<C: Communicator>(
        self,
        device: Device,
        communicator: &mut C,
    ) -> Result<Vec<String>, WorkError> {
        let hashes = self
            .training()
            .run(communicator, &mut |problem, inputs| run_as_rank(device, problem, inputs))
            .map_err(work_error)?;
        Ok(hashes.into_iter().map(|hash| hash.to_hex().to_string()).collect())
    }
}

/// What the hashes of a rank's steps come to beside those of the reference.
pub(super) fn trained(reference: &[String], hashes: &[String]) -> Trained {
    let differing = reference.iter().zip(hashes).enumerate().find(|(_, (expected, actual))| expected != actual);
    Trained {
        steps: hashes.len() as u64,
        last_hash: hashes.last().cloned().unwrap_or_default(),
        first_difference: differing.map(|(step, (expected, actual))| StepDifference {
            step: step as u64,
            expected: expected.clone(),
            actual: actual.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_that_differs_is_found() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let reference = words(&["a", "b", "c"]);
        assert_eq!(trained(&reference, &reference).first_difference, None);
        let wrong = trained(&reference, &words(&["a", "x", "y"]));
        let difference = StepDifference { step: 1, expected: "b".into(), actual: "x".into() };
        assert_eq!((wrong.steps, wrong.last_hash.as_str(), wrong.first_difference), (3, "y", Some(difference)));
        assert_eq!(trained(&reference, &words(&["a", "b"])).steps, 2);
    }
}
