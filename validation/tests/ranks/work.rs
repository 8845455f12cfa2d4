//! What the ranks of these tests do.

use std::{thread, time::Duration};

use robocache_core::{
    collective::{Collective, Pattern, Patterned, Reduction, Transfer},
    communicator::{Announcement, Communicator, CommunicatorError, Step},
    dtype::DType,
};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use validation::ranks::{Work, WorkError};

pub(crate) const SUM: Collective = Collective::AllReduce(Reduction::Sum);

/// One all-reduce after the other, checked, and what else a rank may do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    /// The collective of each step and its block.
    pub(crate) steps: Vec<(Collective, usize)>,
    /// How long the rank sleeps before the first.
    pub(crate) sleep_ms: u64,
    pub(crate) panic: bool,
    /// Whether it cannot talk to another rank, before the first.
    pub(crate) cut_off: bool,
}

pub(crate) struct Collectives;

impl Work for Collectives {
    fn perform<C>(&self, communicator: &mut C, task: &RawValue) -> Result<Box<RawValue>, WorkError>
    where
        C: Communicator,
        C::Memory: Patterned,
    {
        let failed = |error: serde_json::Error| WorkError::Failed(error.to_string());
        let Task { steps, sleep_ms, panic, cut_off } = serde_json::from_str(task.get()).map_err(failed)?;
        assert!(!panic, "asked to");
        thread::sleep(Duration::from_millis(sleep_ms));
        if cut_off {
            let at = Announcement { sequence: 0, step: Step::Initialise };
            return Err(CommunicatorError::Connection { at, rank: 0, message: "cut off".to_owned() }.into());
        }
        let (rank, world) = (communicator.rank(), communicator.world());
        let mut wrong = 0;
        for (collective, block) in steps {
            let sent = collective.sent_elements(block, world) * 4;
            let received = collective.received_elements(block, world) * 4;
            let transfer =
                Transfer { collective, dtype: DType::F32, block, root: 0, send_offset: 0, receive_offset: sent };
            let pattern = Pattern::of(&transfer, world, 7);
            let mut memory = communicator.allocate(sent + received)?;
            memory.fill(0, pattern.sent_elements(), &pattern, pattern.sent(rank))?;
            communicator.enqueue(&mut memory, &transfer, 0)?;
            communicator.wait()?;
            let mismatch = memory.check(sent, pattern.received_elements(), &pattern, pattern.received(rank))?;
            wrong += u32::from(mismatch.is_some());
        }
        to_raw_value(&(rank, wrong)).map_err(failed)
    }
}

pub(crate) fn sums(steps: usize) -> Task {
    Task { steps: vec![(SUM, 1000); steps], sleep_ms: 0, panic: false, cut_off: false }
}
