//! One rank of several that have a GPU each.

use std::{
    ffi::c_int,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    AbortHandle, NcclError, NcclId, NcclLibrary, NcclMemory, environment, handle::Handle, issue::Issuer,
    library::Status,
};
use crate::{
    collective::{Collective, Transfer},
    communicator::{Announcement, Communicator, CommunicatorError, Memory, Patience, Piece, Step},
    cuda::{CudaError, Device, DevicePatterns, Event, Stream},
};

/// How many streams there are to enqueue on.
const STREAMS: usize = 2;

/// How long kernels may take to see that they were aborted. They look every few microseconds.
const LONGEST_DRAIN: Duration = Duration::from_secs(10);

/// A rank with a GPU.
///
/// After a step that failed it is aborted, and refuses whatever else it is asked. So does dropping it: only
/// [`Communicator::finalise`] parts in order.
pub struct Nccl {
    handle: Arc<Handle>,
    streams: [Stream; STREAMS],
    /// Marks the end of one stream for the other.
    order: Event,
    patterns: Rc<DevicePatterns>,
    rank: usize,
    world: usize,
    patience: Patience,
    /// The number of the next step.
    next: u64,
    /// The stream of the last collective.
    last_stream: usize,
    /// The last step that nobody has waited for.
    in_flight: Option<Announcement>,
    /// The step at which it was given up.
    failed: Option<Announcement>,
}

impl Nccl {
    /// Becomes rank `rank` of `world`, together with all others that have this id, on one GPU each.
    ///
    /// This is step 0: it is announced to the referee, and ends within the deadline.
    pub fn join(
        device: &Device,
        rank: usize,
        world: usize,
        id: &NcclId,
        patience: Patience,
    ) -> Result<Self, CommunicatorError> {
        let (raw_rank, raw_world) = numbers(rank, world)?;
        environment::check()?;
        let library = NcclLibrary::load()?;
        let context = device.context();
        let streams = [Stream::new(context)?, Stream::new(context)?];
        let order = Event::new(context)?;
        let patterns = Rc::new(DevicePatterns::new(device)?);
        let at = Announcement { sequence: 0, step: Step::Initialise };
        patience.referee.enter(at)?;
        let handle = Handle::begin(library, context, raw_rank, raw_world, id, at)?;
        // Where this fails, the handle's drop aborts what was begun.
        patience.poll(at, || Ok(handle.is_ready(at)?.then_some(())))?;
        patience.referee.leave();
        Ok(Self {
            handle: Arc::new(handle),
            streams,
            order,
            patterns,
            rank,
            world,
            patience,
            next: 1,
            last_stream: 0,
            in_flight: None,
            failed: None,
        })
    }

    /// The library in use.
    pub fn library(&self) -> &'static NcclLibrary {
        self.handle.library()
    }

    /// The rank's GPU.
    pub fn device(&self) -> &Device {
        self.patterns.device()
    }

    /// What ends this communicator from another thread.
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle::new(&self.handle)
    }

    /// Refuses everything after a failure.
    fn usable(&self) -> Result<(), CommunicatorError> {
        match self.failed {
            Some(at) => Err(CommunicatorError::GivenUp { at }),
            None => Ok(()),
        }
    }

    /// Announces a step, waits until all ranks have come to it, and does it. If any of that fails, the communicator is
    /// given up.
    fn step<T>(
        &mut self,
        step: Step,
        action: impl FnOnce(&mut Self, Announcement) -> Result<T, CommunicatorError>,
    ) -> Result<T, CommunicatorError> {
        let at = Announcement { sequence: self.next, step };
        self.next += 1;
        let done = match self.patience.referee.enter(at) {
            Ok(()) => action(self, at),
            Err(loss) => Err(loss.into()),
        };
        done.map_err(|error| self.give_up(at, error))
    }

    /// Aborts, so that kernels end and memory can be freed.
    fn give_up(&mut self, at: Announcement, error: CommunicatorError) -> CommunicatorError {
        self.handle.abort();
        self.failed = Some(at);
        self.in_flight = None;
        let begin = Instant::now();
        // A GPU that reports an error has no more work.
        while self.streams.iter().any(|stream| matches!(stream.is_done(), Ok(false))) && begin.elapsed() < LONGEST_DRAIN
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        error
    }

    /// Lets what comes next on `stream` begin after all that was enqueued on the others. NCCL does so too, but for one
    /// communicator's kernels only.
    fn follow(&mut self, stream: usize) -> Result<(), CommunicatorError> {
        if self.last_stream != stream {
            self.order.record(&self.streams[self.last_stream])?;
            self.streams[stream].wait_for(&self.order)?;
            self.last_stream = stream;
        }
        Ok(())
    }

    /// Has NCCL enqueue something, and waits until it has. That takes microseconds, but for the first time that ranks talk:
    /// then NCCL waits for the other one.
    fn issue(
        &self,
        at: Announcement,
        stream: usize,
        calls: impl FnOnce(Issuer<'_>) -> Status,
    ) -> Result<(), CommunicatorError> {
        let stream = self.streams[stream].raw();
        let (rank, world) = (self.rank, self.world);
        self.handle
            .call(at, |functions, communicator| calls(Issuer { functions, communicator, stream, rank, world }))?;
        self.patience.poll(at, || Ok(self.handle.is_ready(at)?.then_some(())))
    }

    fn issue_transfer(&self, at: Announcement, stream: usize, place: &Place) -> Result<(), CommunicatorError> {
        // SAFETY: communicator and streams belong to this rank's GPU, and so does the memory, in which both buffers were seen
        // to lie. It is not freed before the work is done: its drop aborts the communicator first.
        self.issue(at, stream, |issuer| unsafe { issuer.transfer(&place.transfer, place.send, place.receive) })
    }

    /// Waits for all streams, with a deadline.
    fn drain(&mut self, at: Announcement) -> Result<(), CommunicatorError> {
        self.patience.poll(at, || {
            let ready = self.handle.is_ready(at)?;
            for stream in &self.streams {
                if !stream.is_done()? {
                    return Ok(None);
                }
            }
            Ok(ready.then_some(()))
        })?;
        self.in_flight = None;
        self.handle.note_waited_for(at.sequence);
        self.patience.referee.leave();
        Ok(())
    }

    /// Where a transfer's buffers lie; refuses a root that is none before any rank begins.
    fn place(&self, memory: &NcclMemory, transfer: &Transfer) -> Result<Place, CommunicatorError> {
        self.usable()?;
        assert!(memory.belongs_to(&self.handle), "memory of another communicator");
        let Transfer { collective, dtype, block, root, send_offset, receive_offset } = *transfer;
        let has_root = matches!(collective, Collective::Broadcast | Collective::Reduce(_));
        if has_root && root >= self.world {
            return Err(NcclError::NoSuchRank { rank: root, world: self.world }.into());
        }
        let size = dtype.size_bytes();
        let address = |offset: usize, elements: usize| {
            assert!(offset.is_multiple_of(size), "offset {offset} is no multiple of {size}");
            memory.buffer().address_of(offset, elements * size)
        };
        let send = address(send_offset, collective.sent_elements(block, self.world));
        let receive = if collective.receives(self.rank, root) {
            address(receive_offset, collective.received_elements(block, self.world))
        } else {
            0
        };
        Ok(Place { transfer: *transfer, send, receive })
    }
}

/// The number of a rank and of all, as NCCL takes them.
fn numbers(rank: usize, world: usize) -> Result<(c_int, c_int), NcclError> {
    let numbers = c_int::try_from(rank).ok().zip(c_int::try_from(world).ok());
    numbers.filter(|(rank, world)| rank < world).ok_or(NcclError::NoSuchRank { rank, world })
}

/// A transfer and the addresses of its buffers.
struct Place {
    transfer: Transfer,
    send: u64,
    receive: u64,
}

impl Place {
    /// Whether there is anything to do. Where one rank has nothing, no rank has.
    fn is_empty(&self) -> bool {
        self.transfer.block == 0
    }
}

impl Communicator for Nccl {
    type Memory = NcclMemory;

    fn rank(&self) -> usize {
        self.rank
    }

    fn world(&self) -> usize {
        self.world
    }

    fn allocate(&self, bytes: usize) -> Result<NcclMemory, CommunicatorError> {
        self.usable()?;
        NcclMemory::new(bytes, &self.patterns, &self.handle)
    }

    fn streams(&self) -> usize {
        STREAMS
    }

    fn enqueue(
        &mut self,
        memory: &mut NcclMemory,
        transfer: &Transfer,
        stream: usize,
    ) -> Result<(), CommunicatorError> {
        assert!(stream < STREAMS, "stream {stream} of {STREAMS}");
        let place = self.place(memory, transfer)?;
        self.step(Step::of(transfer, 1), |this, at| {
            memory.note_step(at.sequence);
            this.in_flight = Some(at);
            if place.is_empty() {
                return Ok(());
            }
            this.follow(stream)?;
            this.issue_transfer(at, stream, &place)
        })
    }

    fn wait(&mut self) -> Result<(), CommunicatorError> {
        self.usable()?;
        match self.in_flight {
            Some(at) => self.drain(at).map_err(|error| self.give_up(at, error)),
            None => Ok(()),
        }
    }

    fn replay(
        &mut self,
        memory: &mut NcclMemory,
        transfer: &Transfer,
        replays: u32,
    ) -> Result<bool, CommunicatorError> {
        let place = self.place(memory, transfer)?;
        self.step(Step::of(transfer, replays), |this, at| {
            memory.note_step(at.sequence);
            if place.is_empty() {
                return this.drain(at);
            }
            this.follow(0)?;
            let mut failure = None;
            let stream = &this.streams[0];
            // NCCL puts its kernels into the capture from a thread of its own. `issue_transfer` returns when it has: a capture
            // that ended before would be broken. It polls NCCL alone, as a capture forbids to ask for its stream's state.
            let captured = stream.capture(|_| {
                this.issue_transfer(at, 0, &place).map_err(|error| {
                    let said = CudaError::Implementation(error.to_string());
                    failure = Some(error);
                    said
                })
            });
            let graph = match failure {
                Some(failure) => return Err(failure),
                None => captured?,
            };
            for _ in 0..replays {
                // SAFETY: as in `issue_transfer`.
                unsafe { graph.launch(stream) }?;
            }
            // The graph is dropped at the end of this step, and so before an abort, which would wait for that. The driver keeps
            // what still runs.
            this.drain(at)
        })?;
        Ok(true)
    }

    /// The time is that between two marks on the GPU. NCCL starts a thread for every call on a non-blocking communicator, so
    /// that for small blocks it is the time of the host, some ten microseconds.
    fn time(&mut self, memory: &mut NcclMemory, transfer: &Transfer, repeats: u32) -> Result<f64, CommunicatorError> {
        let place = self.place(memory, transfer)?;
        if repeats == 0 {
            return Err(CommunicatorError::Unsupported("no repeat has no time".into()));
        }
        self.step(Step::of(transfer, repeats), |this, at| {
            memory.note_step(at.sequence);
            let context = this.handle.context();
            let (start, end) = (Event::new(context)?, Event::new(context)?);
            let issue_all = |this: &Self| {
                let repeats = if place.is_empty() { 0 } else { repeats };
                (0..repeats).try_for_each(|_| this.issue_transfer(at, 0, &place))
            };
            this.follow(0)?;
            issue_all(this)?;
            start.record(&this.streams[0])?;
            issue_all(this)?;
            end.record(&this.streams[0])?;
            this.drain(at)?;
            Ok(f64::from(end.milliseconds_since(&start)?) / 1e3 / f64::from(repeats))
        })
    }

    fn exchange(
        &mut self,
        memory: &mut NcclMemory,
        sent: &[Piece],
        received: &[Piece],
    ) -> Result<(), CommunicatorError> {
        self.usable()?;
        assert!(memory.belongs_to(&self.handle), "memory of another communicator");
        for &Piece { peer, offset, bytes } in sent.iter().chain(received) {
            if peer >= self.world {
                return Err(NcclError::NoSuchRank { rank: peer, world: self.world }.into());
            }
            let end = offset.checked_add(bytes);
            assert!(end.is_some_and(|end| end <= memory.bytes()), "a piece reaches past the end of the memory");
        }
        self.step(Step::Exchange, |this, at| {
            memory.note_step(at.sequence);
            this.follow(0)?;
            if sent.iter().chain(received).any(|piece| piece.bytes > 0) {
                let base = memory.buffer().address();
                // SAFETY: as in `issue_transfer`; the pieces were seen to lie within the memory.
                this.issue(at, 0, |issuer| unsafe { issuer.pieces(base, sent, received) })?;
            }
            this.drain(at)
        })
    }

    fn finalise(mut self) -> Result<(), CommunicatorError> {
        self.wait()?;
        self.step(Step::Finalise, |this, at| {
            // SAFETY: the communicator lives during the call.
            this.handle.call(at, |functions, communicator| unsafe { (functions.finalize)(communicator) })?;
            this.patience.poll(at, || Ok(this.handle.is_ready(at)?.then_some(())))?;
            this.handle.destroy(at)?;
            this.patience.referee.leave();
            Ok(())
        })
    }
}

impl Drop for Nccl {
    fn drop(&mut self) {
        // Before the streams go: abort handles and memory may keep the communicator alive, but nobody waits for it any more.
        self.handle.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_out_of_range_is_refused_before_anything_is_called() {
        assert_eq!(numbers(1, 2), Ok((1, 2)));
        for (rank, world) in [(0, 0), (2, 2), (usize::MAX, 4), (1 << 40, 1 << 41), (0, 1 << 40)] {
            assert_eq!(numbers(rank, world), Err(NcclError::NoSuchRank { rank, world }));
        }
        assert_eq!(numbers(2, 2).unwrap_err().to_string(), "there is no rank 2 among 2");
    }
}
