//! A rank's side of a script: one transfer after the other, each checked before the next.

use robocache_core::{
    collective::{Mismatch, Patterned},
    communicator::{Communicator, CommunicatorError},
};
use serde::{Deserialize, Serialize};

use super::{
    collective::TransferTask,
    layout::{Arrangement, Place, Placed},
};
use crate::observation::{Way, WayFacts};

/// What a rank is told: step `i` of the communicator is transfer `i - 1`, since step 0 is its initialisation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Script {
    pub(super) transfers: Vec<TransferTask>,
}

/// How far a rank came that was not kept from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Scripted {
    pub(super) transfers: usize,
    /// The first element that is not what it must be.
    pub(super) mismatch: Option<Mismatch>,
    pub(super) disturbed_guard_bytes: u64,
}

/// Goes through a script.
pub(super) fn perform<C>(communicator: &mut C, script: &Script) -> Result<Scripted, CommunicatorError>
where
    C: Communicator,
    C::Memory: Patterned,
{
    let place = Place { rank: communicator.rank(), world: communicator.world() };
    let placed = |task: &TransferTask| Placed::new(task.kind(), place, Arrangement::Apart, 0, task.seed);
    let transfers: Vec<_> = script.transfers.iter().filter_map(placed).collect();
    let mut memory = communicator.allocate(transfers.iter().map(Placed::end).max().unwrap_or(0))?;
    let mut facts = WayFacts::nothing(Way::OutOfPlace);
    for placed in &transfers {
        placed.prepare(&mut memory)?;
        communicator.enqueue(&mut memory, &placed.transfer, 0)?;
        communicator.wait()?;
        placed.check(&memory, &mut facts)?;
    }
    Ok(Scripted {
        transfers: transfers.len(),
        mismatch: facts.mismatch.or(facts.sent_mismatch),
        disturbed_guard_bytes: facts.disturbed_guard_bytes,
    })
}
