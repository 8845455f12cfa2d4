//! Where the buffers of a transfer lie in a rank's memory, with bytes beside them that nobody may touch.

use std::ops::Range;

use robocache_core::{
    collective::{Collective, Pattern, Patterned, Transfer},
    communicator::CommunicatorError,
    dtype::DType,
};

use super::ROOT;
use crate::observation::WayFacts;

/// Bytes before and behind each buffer that are looked at, and what buffers are aligned to: as much as `cudaMalloc` gives.
const GUARD_BYTES: usize = 256;

/// What lies there, and in receive buffers before anything is received.
const POISON: u8 = 0xA5;

/// How many bytes are read back at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// What is transferred, without where.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) collective: Collective,
    pub(super) dtype: DType,
    pub(super) block: usize,
}

/// A rank's number, and that of all ranks.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) rank: usize,
    pub(super) world: usize,
}

/// How the buffers of a transfer lie to each other and to their alignment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrangement {
    /// One behind the other.
    Apart,
    /// The same, each one element past its alignment.
    Misaligned,
    /// One within the other.
    InPlace,
}

/// A transfer with its buffers and all that is known of them.
pub(super) struct Placed {
    pub(super) transfer: Transfer,
    place: Place,
    pattern: Pattern,
    arrangement: Arrangement,
    /// Guards and buffers.
    region: Range<usize>,
    /// The bytes that may change: those of the buffers that this rank uses.
    used: Vec<Range<usize>>,
}

impl Placed {
    /// Puts the buffers into memory from `begin` on, which is a multiple of the alignment. `None` if the collective cannot
    /// be arranged so.
    pub(super) fn new(kind: Kind, place: Place, arrangement: Arrangement, begin: usize, seed: u64) -> Option<Self> {
        let Kind { collective, dtype, block } = kind;
        let Place { rank, world } = place;
        let bytes = |elements: usize| elements * dtype.size_bytes();
        let sent = bytes(collective.sent_elements(block, world));
        let received = bytes(collective.received_elements(block, world));
        let shift = if arrangement == Arrangement::Misaligned { dtype.size_bytes() } else { 0 };
        let first = begin + GUARD_BYTES + shift;
        let apart = Transfer {
            collective,
            dtype,
            block,
            root: ROOT,
            send_offset: first,
            receive_offset: (first + sent + GUARD_BYTES).next_multiple_of(GUARD_BYTES) + shift,
        };
        let transfer = match arrangement {
            Arrangement::Apart | Arrangement::Misaligned => apart,
            Arrangement::InPlace => Transfer { receive_offset: first, ..apart }.in_place(rank, world)?,
        };
        let send = transfer.send_offset..transfer.send_offset + sent;
        let receive = transfer.receive_offset..transfer.receive_offset + received;
        let end = (send.end.max(receive.end) + GUARD_BYTES).next_multiple_of(GUARD_BYTES);
        let used = match arrangement {
            Arrangement::InPlace => {
                let both = send.start.min(receive.start)..send.end.max(receive.end);
                vec![both]
            }
            Arrangement::Apart | Arrangement::Misaligned if collective.receives(rank, ROOT) => vec![send, receive],
            Arrangement::Apart | Arrangement::Misaligned => vec![send],
        };
        let pattern = Pattern::of(&transfer, world, seed);
        Some(Self { transfer, place, pattern, arrangement, region: begin..end, used })
    }

    /// Where the next buffers may begin.
    pub(super) const fn end(&self) -> usize {
        self.region.end
    }

    /// Poisons everything, and fills the send buffer.
    pub(super) fn prepare<M: Patterned>(&self, memory: &mut M) -> Result<(), CommunicatorError> {
        let Self { transfer, place, pattern, region, .. } = self;
        memory.poison(region.start, region.len(), POISON)?;
        memory.fill(transfer.send_offset, pattern.sent_elements(), pattern, pattern.sent(place.rank))
    }

    /// Compares every received element, every sent one and every byte beside them with what they must be, and adds what is
    /// found to `facts`.
    pub(super) fn check<M: Patterned>(&self, memory: &M, facts: &mut WayFacts) -> Result<(), CommunicatorError> {
        let Self { transfer, place: Place { rank, .. }, pattern, arrangement, region, used } = self;
        if transfer.collective.receives(*rank, ROOT) {
            let elements = pattern.received_elements();
            let mismatch = memory.check(transfer.receive_offset, elements, pattern, pattern.received(*rank))?;
            facts.elements += elements as u64;
            facts.mismatch = facts.mismatch.or(mismatch);
        }
        if *arrangement != Arrangement::InPlace {
            let changed = memory.check(transfer.send_offset, pattern.sent_elements(), pattern, pattern.sent(*rank))?;
            facts.sent_mismatch = facts.sent_mismatch.or(changed);
        }
        let mut begin = region.start;
        for used in used.iter().chain([&(region.end..region.end)]) {
            look_at_guard(memory, begin..used.start, facts)?;
            begin = used.end;
        }
        Ok(())
    }
}

fn look_at_guard<M: Patterned>(memory: &M, guard: Range<usize>, facts: &mut WayFacts) -> Result<(), CommunicatorError> {
    let mut chunk = vec![0; guard.len().min(CHUNK_BYTES)];
    for begin in guard.clone().step_by(CHUNK_BYTES) {
        let chunk = &mut chunk[..CHUNK_BYTES.min(guard.end - begin)];
        memory.read(begin, chunk)?;
        facts.guard_bytes += chunk.len() as u64;
        facts.disturbed_guard_bytes += chunk.iter().filter(|&&byte| byte != POISON).count() as u64;
    }
    Ok(())
}
