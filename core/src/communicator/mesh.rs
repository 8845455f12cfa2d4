//! Ranks on CPUs, each with a byte stream to each other rank.
//!
//! In every step each rank sends every other one a message, if only to say which step it is in: so a rank that does
//! something else is found by all, a rank that left too, and steps are barriers. A reduction is done by each rank that
//! receives it, in the order of ranks, so that all get the same bits, in every run. That moves more bytes than a ring
//! would, which is no matter here: this communicator is for results, and for machines without GPUs.
//!
//! What is received lies in memory of its own until the step is complete. A step that fails changes nothing.

mod conversation;
mod join;
mod message;
mod reduce;

use std::{
    io,
    net::{Ipv4Addr, TcpListener, TcpStream},
    ops::Range,
    time::Instant,
};

use self::conversation::{Conversation, Exchange};
pub use self::join::MeshPoint;
use self::message::Header;
use super::{Announcement, Communicator, CommunicatorError, HostMemory, Patience, Piece, Step};
use crate::{
    collective::{Collective, Transfer},
    tensor::ALIGNMENT_BYTES,
};

/// One rank of a communicator on CPUs. Collectives are complete when [`Communicator::enqueue`] returns.
pub struct Mesh {
    rank: usize,
    /// To each other rank; none to itself.
    streams: Vec<Option<TcpStream>>,
    patience: Patience,
    /// The number of the next step.
    next: u64,
    given_up: Option<Announcement>,
}

/// What one rank gives to and takes from each rank in a step, itself included.
struct Plan {
    /// Ranges of its memory that go to each rank.
    sent: Vec<Vec<Range<usize>>>,
    /// Bytes that come from each rank.
    received: Vec<usize>,
}

impl Mesh {
    /// So many ranks in this process, each for a thread of its own. They are connected already, so that their first step
    /// is number 1 and nothing is announced for the initialisation.
    pub fn in_process(world: usize, mut make_patience: impl FnMut(usize) -> Patience) -> io::Result<Vec<Self>> {
        let mut streams: Vec<Vec<Option<TcpStream>>> = Vec::with_capacity(world);
        for _ in 0..world {
            let mut own = Vec::with_capacity(world);
            for lower in &mut streams {
                let (one, other) = connected()?;
                lower.push(Some(one));
                own.push(Some(other));
            }
            own.push(None);
            streams.push(own);
        }
        Ok(streams
            .into_iter()
            .enumerate()
            .map(|(rank, streams)| Self::new(rank, streams, make_patience(rank)))
            .collect())
    }

    /// A rank whose streams do not block, and whose next step is number 1.
    fn new(rank: usize, streams: Vec<Option<TcpStream>>, patience: Patience) -> Self {
        Self { rank, streams, patience, next: 1, given_up: None }
    }

    /// Enters a step, does `work` in it, and leaves it.
    fn perform<T>(
        &mut self,
        step: Step,
        work: impl FnOnce(&mut Self, Announcement) -> Result<T, CommunicatorError>,
    ) -> Result<T, CommunicatorError> {
        if let Some(at) = self.given_up {
            return Err(CommunicatorError::GivenUp { at });
        }
        let at = Announcement { sequence: self.next, step };
        self.next += 1;
        let outcome = match self.patience.referee.enter(at) {
            Ok(()) => work(self, at),
            Err(loss) => Err(loss.into()),
        };
        match outcome {
            Ok(_) => self.patience.referee.leave(),
            Err(_) => self.given_up = Some(at),
        }
        outcome
    }

    /// Sends and receives all that a plan says: where in the returned memory lies what came from each rank.
    fn converse(
        &mut self,
        at: Announcement,
        memory: &[u8],
        plan: &Plan,
    ) -> Result<(HostMemory, Vec<Range<usize>>), CommunicatorError> {
        let padded = |bytes: &usize| bytes.next_multiple_of(ALIGNMENT_BYTES);
        let mut scratch = HostMemory::zeros(plan.received.iter().map(padded).sum())?;
        let mut places = Vec::with_capacity(plan.received.len());
        let mut start = 0;
        for bytes in &plan.received {
            places.push(start..start + bytes);
            start += padded(bytes);
        }
        let headers: Vec<_> = plan
            .sent
            .iter()
            .map(|ranges| {
                Header { announcement: at, bytes: ranges.iter().map(Range::len).sum::<usize>() as u64 }.encode()
            })
            .collect();
        let mut rest = scratch.as_mut_slice();
        let mut exchanges = Vec::with_capacity(self.streams.len());
        for (peer, stream) in self.streams.iter_mut().enumerate() {
            let (buffer, behind) = rest.split_at_mut(padded(&plan.received[peer]));
            rest = behind;
            let buffer = &mut buffer[..plan.received[peer]];
            let pieces = plan.sent[peer].iter().map(|range| &memory[range.clone()]);
            match stream {
                Some(stream) => exchanges.push(Exchange::new(peer, stream, &headers[peer], pieces, buffer)),
                None => {
                    let mut start = 0;
                    for piece in pieces {
                        buffer[start..start + piece.len()].copy_from_slice(piece);
                        start += piece.len();
                    }
                    assert_eq!(start, buffer.len(), "a rank receives from itself what it sends to itself");
                }
            }
        }
        let mut conversation = Conversation::new(at, exchanges);
        self.patience.poll(at, || conversation.attempt())?;
        Ok((scratch, places))
    }

    /// Waits for all ranks to come to `at`.
    fn synchronise(&mut self, at: Announcement) -> Result<(), CommunicatorError> {
        let world = self.streams.len();
        self.converse(at, &[], &Plan { sent: vec![Vec::new(); world], received: vec![0; world] })?;
        Ok(())
    }

    /// Where the buffers of a transfer lie.
    ///
    /// # Panics
    /// If they reach past the end of the memory, or if the root is no rank.
    fn buffers(&self, memory: &HostMemory, transfer: &Transfer) -> (Range<usize>, Range<usize>) {
        let Transfer { collective, dtype, block, root, send_offset, receive_offset } = *transfer;
        let (world, size) = (self.streams.len(), dtype.size_bytes());
        assert!(root < world, "root {root} is none of {world} ranks");
        let sent = send_offset..send_offset + collective.sent_elements(block, world) * size;
        let received_elements = match collective.receives(self.rank, root) {
            true => collective.received_elements(block, world),
            false => 0,
        };
        let received = receive_offset..receive_offset + received_elements * size;
        let end = memory.as_slice().len();
        assert!(sent.end <= end && received.end <= end, "{transfer:?} reaches past the {end} bytes of memory");
        assert!(send_offset % size == 0 && receive_offset % size == 0, "{transfer:?} has misaligned elements");
        (sent, received)
    }

    fn plan(&self, transfer: &Transfer, sent: &Range<usize>) -> Plan {
        let (rank, world) = (self.rank, self.streams.len());
        let block = transfer.block * transfer.dtype.size_bytes();
        let root = transfer.root;
        let own = |peer: usize| sent.start + peer * block..sent.start + (peer + 1) * block;
        let goes = |from: usize, to: usize| match transfer.collective {
            Collective::AllReduce(_) | Collective::AllGather | Collective::ReduceScatter(_) | Collective::AllToAll => {
                true
            }
            Collective::Broadcast => from == root,
            Collective::Reduce(_) => to == root,
            Collective::SendReceive => (from + 1) % world == to,
        };
        let ranges = |peer: usize| match transfer.collective {
            _ if !goes(rank, peer) => Vec::new(),
            Collective::ReduceScatter(_) | Collective::AllToAll => vec![own(peer)],
            Collective::AllReduce(_)
            | Collective::AllGather
            | Collective::Broadcast
            | Collective::Reduce(_)
            | Collective::SendReceive => vec![sent.clone()],
        };
        Plan {
            sent: (0..world).map(ranges).collect(),
            received: (0..world).map(|peer| if goes(peer, rank) { block } else { 0 }).collect(),
        }
    }

    /// Does a collective once.
    fn collective(
        &mut self,
        at: Announcement,
        memory: &mut HostMemory,
        transfer: &Transfer,
    ) -> Result<(), CommunicatorError> {
        let (sent, received) = self.buffers(memory, transfer);
        let plan = self.plan(transfer, &sent);
        let (scratch, places) = self.converse(at, memory.as_slice(), &plan)?;
        let contributions = places.iter().map(|place| &scratch.as_slice()[place.clone()]);
        let result = &mut memory.as_mut_slice()[received];
        if result.is_empty() {
            return Ok(());
        }
        match transfer.collective.reduction() {
            Some(reduction) => {
                reduce::reduce(transfer.dtype, reduction, &contributions.collect::<Vec<_>>(), result);
            }
            None => {
                let mut start = 0;
                for contribution in contributions {
                    result[start..start + contribution.len()].copy_from_slice(contribution);
                    start += contribution.len();
                }
            }
        }
        Ok(())
    }
}

/// Two ends of a connection within this process, which do not block.
fn connected() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let one = TcpStream::connect(listener.local_addr()?)?;
    let other = loop {
        let (other, address) = listener.accept()?;
        // Any process of this machine could connect first.
        if address == one.local_addr()? {
            break other;
        }
    };
    for stream in [&one, &other] {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
    }
    Ok((one, other))
}

impl Communicator for Mesh {
    type Memory = HostMemory;

    fn rank(&self) -> usize {
        self.rank
    }

    fn world(&self) -> usize {
        self.streams.len()
    }

    fn allocate(&self, bytes: usize) -> Result<HostMemory, CommunicatorError> {
        HostMemory::zeros(bytes)
    }

    fn enqueue(
        &mut self,
        memory: &mut HostMemory,
        transfer: &Transfer,
        stream: usize,
    ) -> Result<(), CommunicatorError> {
        assert!(stream == 0, "there is no stream {stream}");
        self.buffers(memory, transfer);
        self.perform(Step::of(transfer, 1), |mesh, at| mesh.collective(at, memory, transfer))
    }

    fn wait(&mut self) -> Result<(), CommunicatorError> {
        match self.given_up {
            Some(at) => Err(CommunicatorError::GivenUp { at }),
            None => Ok(()),
        }
    }

    /// There are no graphs: always `false`.
    fn replay(&mut self, _: &mut HostMemory, _: &Transfer, _: u32) -> Result<bool, CommunicatorError> {
        self.wait()?;
        Ok(false)
    }

    fn time(&mut self, memory: &mut HostMemory, transfer: &Transfer, repeats: u32) -> Result<f64, CommunicatorError> {
        self.buffers(memory, transfer);
        self.perform(Step::of(transfer, repeats), |mesh, at| {
            for _ in 0..repeats {
                mesh.collective(at, memory, transfer)?;
            }
            let begin = Instant::now();
            for _ in 0..repeats {
                mesh.collective(at, memory, transfer)?;
            }
            Ok(begin.elapsed().as_secs_f64() / f64::from(repeats.max(1)))
        })
    }

    fn exchange(
        &mut self,
        memory: &mut HostMemory,
        sent: &[Piece],
        received: &[Piece],
    ) -> Result<(), CommunicatorError> {
        let range = |piece: &Piece| piece.offset..piece.offset + piece.bytes;
        let (world, end) = (self.world(), memory.as_slice().len());
        for piece in sent.iter().chain(received) {
            assert!(piece.peer < world && range(piece).end <= end, "{piece:?} of {end} bytes and {world} ranks");
        }
        self.perform(Step::Exchange, |mesh, at| {
            let of = |peer, pieces: &[Piece]| -> Vec<_> {
                pieces.iter().filter(|piece| piece.peer == peer).map(range).collect()
            };
            let received: Vec<_> = (0..world).map(|peer| of(peer, received)).collect();
            let plan = Plan {
                sent: (0..world).map(|peer| of(peer, sent)).collect(),
                received: received.iter().map(|ranges| ranges.iter().map(Range::len).sum()).collect(),
            };
            let (scratch, places) = mesh.converse(at, memory.as_slice(), &plan)?;
            for (ranges, place) in received.into_iter().zip(places) {
                let mut start = place.start;
                for range in ranges {
                    let bytes = range.len();
                    memory.as_mut_slice()[range].copy_from_slice(&scratch.as_slice()[start..start + bytes]);
                    start += bytes;
                }
            }
            Ok(())
        })
    }

    fn finalise(mut self) -> Result<(), CommunicatorError> {
        self.perform(Step::Finalise, Self::synchronise)
    }
}

#[cfg(test)]
mod tests;
