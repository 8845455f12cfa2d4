//! What the multi_gpu suite is told to do: by the matrix in general, and of a very cell.

use fault_injection::RankFault;
use robocache_core::{collective::Collective, sharding::Partition};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::suites::InvalidSetting;

/// The name used in the matrix and in cell names.
pub(crate) const MULTI_GPU: &str = "multi_gpu";

/// The most ranks that a cell may have: up to so many, every sum and average of the patterns is exact in every dtype.
pub(crate) const WORLD_LIMIT: usize = 16;

/// The largest block, in elements: 2 GiB of the widest type, so that all blocks of a gather fit a GPU.
pub(crate) const BLOCK_LIMIT: usize = 1 << 28;

/// The root of the collectives that have one.
pub(crate) const ROOT: usize = 0;

/// Settings of the multi_gpu suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MultiGpuSettings {
    /// Seconds after which every surviving rank must have said which rank was lost, and in which step.
    #[schemars(range(min = 1))]
    pub detection_s: u64,
    /// Training steps of a data-parallel cell.
    #[schemars(range(min = 1))]
    pub steps: u32,
    /// The least size in MiB, as nccl-tests counts it, from which on a collective is also timed.
    #[schemars(range(min = 1))]
    pub timed_mib: u64,
    /// How many calls in a row are timed, after as many that are not.
    #[schemars(range(min = 1))]
    pub timed_calls: u32,
    /// What the ranks of this very cell do; none in the settings of the suite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub joint: Option<Joint>,
}

/// What several ranks do together in one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joint {
    /// How many ranks there are.
    pub world: usize,
    /// What they do.
    pub task: Task,
}

/// One kind of thing that ranks do together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A collective on data of which every element is known beforehand, in every way in which it can be called.
    Collective {
        /// Which.
        collective: Collective,
        /// Elements in one block.
        block: usize,
    },
    /// The cell's operator on parts of its batch, against the same on one rank.
    Sharded {
        /// How the batch is divided.
        partition: Partition,
    },
    /// Training steps on parts of a batch, against those of one CPU rank.
    DataParallel,
    /// A script of collectives in which a rank is lost.
    Fault {
        /// The collective of each step.
        collective: Collective,
        /// Elements in one block.
        block: usize,
        /// What befalls the victim.
        fault: RankFault,
    },
}

impl Task {
    /// Elements in a block, where there are blocks.
    pub const fn block(self) -> Option<usize> {
        match self {
            Self::Collective { block, .. } | Self::Fault { block, .. } => Some(block),
            Self::Sharded { .. } | Self::DataParallel => None,
        }
    }
}

impl MultiGpuSettings {
    pub(in crate::suites) fn check(&self) -> Result<(), InvalidSetting> {
        let Self { detection_s, steps, timed_mib, timed_calls, joint: _ } = self;
        let settings = [
            ("detection_s", *detection_s),
            ("steps", (*steps).into()),
            ("timed_mib", *timed_mib),
            ("timed_calls", (*timed_calls).into()),
        ];
        match settings.into_iter().find(|(_, value)| *value == 0) {
            Some((setting, _)) => Err(InvalidSetting { setting, rule: "it must be at least 1" }),
            None => Ok(()),
        }
    }

    /// Fails if these are not the settings of a cell, or ask for more than a matrix may. The error says what is wrong.
    pub(crate) fn check_joint(&self) -> Result<(), String> {
        let Some(Joint { world, task }) = self.joint else { return Err("its ranks have nothing to do".to_owned()) };
        let block = task.block().unwrap_or(0);
        if !(1..=WORLD_LIMIT).contains(&world) || block > BLOCK_LIMIT {
            return Err(format!("{world} ranks with blocks of {block} elements are more than a matrix may ask for"));
        }
        Ok(())
    }

    /// More time for a detection and fewer steps are looser. What is timed is not judged.
    pub(in crate::suites) fn is_looser_than(&self, other: &Self) -> bool {
        let Self { detection_s, steps, timed_mib: _, timed_calls: _, joint: _ } = self;
        *detection_s > other.detection_s || *steps < other.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suites::SuiteSettings;

    fn settings() -> MultiGpuSettings {
        MultiGpuSettings { detection_s: 15, steps: 200, timed_mib: 64, timed_calls: 20, joint: None }
    }

    fn suite(change: fn(&mut MultiGpuSettings)) -> SuiteSettings {
        let mut changed = settings();
        change(&mut changed);
        SuiteSettings::MultiGpu(changed)
    }

    #[test]
    fn later_detections_and_fewer_steps_are_looser_and_times_are_not() {
        let looser = |change| suite(change).is_looser_than(&SuiteSettings::MultiGpu(settings()));
        assert!(looser(|settings| settings.detection_s = 16));
        assert!(looser(|settings| settings.steps = 199));
        assert!(!looser(|settings| settings.detection_s = 14));
        assert!(!looser(|settings| settings.steps = 201));
        assert!(!looser(|settings| settings.timed_calls = 1));
        assert!(!looser(|_| {}));
    }

    #[test]
    fn settings_of_zero_are_refused() {
        let fault = |change| suite(change).check().err().map(|invalid| invalid.setting);
        assert_eq!(fault(|_| {}), None);
        assert_eq!(fault(|settings| settings.detection_s = 0), Some("detection_s"));
        assert_eq!(fault(|settings| settings.steps = 0), Some("steps"));
        assert_eq!(fault(|settings| settings.timed_mib = 0), Some("timed_mib"));
        assert_eq!(fault(|settings| settings.timed_calls = 0), Some("timed_calls"));
    }
}
