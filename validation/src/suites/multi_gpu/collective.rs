//! A rank's side of a collective: every way of calling it, and every byte of what that gives.

use robocache_core::{
    collective::{Collective, Patterned},
    communicator::{Communicator, CommunicatorError},
    dtype::DType,
};
use serde::{Deserialize, Serialize};

use super::layout::{Arrangement, Kind, Place, Placed};
use crate::observation::{Transferred, Way, WayFacts};

/// How often a captured collective is replayed.
const REPLAYS: u32 = 3;

/// What a rank is told.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct CollectiveTask {
    pub(super) transfer: TransferTask,
    /// How many calls are timed, if any.
    pub(super) timed_calls: Option<u32>,
}

/// A transfer on patterns of a seed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct TransferTask {
    pub(super) collective: Collective,
    pub(super) dtype: DType,
    pub(super) block: usize,
    pub(super) seed: u64,
}

impl TransferTask {
    pub(super) const fn kind(self) -> Kind {
        let Self { collective, dtype, block, seed: _ } = self;
        Kind { collective, dtype, block }
    }
}

/// Calls the collective in every way.
pub(super) fn perform<C>(communicator: &mut C, task: CollectiveTask) -> Result<Transferred, CommunicatorError>
where
    C: Communicator,
    C::Memory: Patterned,
{
    let place = Place { rank: communicator.rank(), world: communicator.world() };
    let placed = |arrangement, begin, seed| Placed::new(task.transfer.kind(), place, arrangement, begin, seed);
    let seed = task.transfer.seed;
    let apart = placed(Arrangement::Apart, 0, seed);
    let second = apart.as_ref().and_then(|first| placed(Arrangement::Apart, first.end(), seed.wrapping_add(1)));
    let misaligned = placed(Arrangement::Misaligned, 0, seed);
    let in_place = placed(Arrangement::InPlace, 0, seed);
    let all = [&apart, &second, &misaligned, &in_place];
    let bytes = all.into_iter().flatten().map(Placed::end).max().unwrap_or(0);
    let mut memory = communicator.allocate(bytes)?;

    let mut ways = Vec::new();
    for way in Way::ALL {
        let transfers: Vec<&Placed> = match way {
            Way::OutOfPlace | Way::GraphReplay => apart.iter().collect(),
            Way::InPlace => in_place.iter().collect(),
            Way::Misaligned => misaligned.iter().collect(),
            Way::TwoStreams => apart.iter().chain(&second).collect(),
        };
        ways.push(call(communicator, &mut memory, way, &transfers)?);
    }
    let seconds = match (task.timed_calls, &apart) {
        (Some(calls), Some(apart)) => Some(communicator.time(&mut memory, &apart.transfer, calls)?),
        (None, _) | (_, None) => None,
    };
    Ok(Transferred { ways, seconds })
}

/// Does transfers in one way, and looks at all that came of it.
fn call<C>(
    communicator: &mut C,
    memory: &mut C::Memory,
    way: Way,
    transfers: &[&Placed],
) -> Result<WayFacts, CommunicatorError>
where
    C: Communicator,
    C::Memory: Patterned,
{
    let mut facts = WayFacts::nothing(way);
    let refused = |reason: &str| Ok(WayFacts { impossible: Some(reason.to_owned()), ..WayFacts::nothing(way) });
    let Some(first) = transfers.first() else { return refused("the collective does not work in place") };
    for placed in transfers {
        placed.prepare(memory)?;
    }
    match way {
        Way::OutOfPlace | Way::InPlace | Way::Misaligned => {
            communicator.enqueue(memory, &first.transfer, 0)?;
            communicator.wait()?;
        }
        Way::TwoStreams if communicator.streams() < 2 => return refused("there is one stream"),
        Way::TwoStreams => {
            for (stream, placed) in transfers.iter().enumerate() {
                communicator.enqueue(memory, &placed.transfer, stream)?;
            }
            communicator.wait()?;
        }
        Way::GraphReplay => {
            if !communicator.replay(memory, &first.transfer, REPLAYS)? {
                return refused("there are no graphs");
            }
        }
    }
    for placed in transfers {
        placed.check(memory, &mut facts)?;
    }
    Ok(facts)
}
