//! Ranks that do something together: on a CPU or on GPUs, behind one trait.
//!
//! A [`Communicator`] is one rank's side. It enqueues collectives on its own [`Memory`] and waits for them with a
//! deadline. It never waits for ever: where a rank was lost, every wait of every other rank ends with a [`Loss`], which
//! says which rank, in which step. Who finds that out is the [`Referee`], as NCCL itself cannot tell.

mod host_memory;
mod mesh;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

pub use self::{
    host_memory::HostMemory,
    mesh::{Mesh, MeshPoint},
};
use crate::{
    collective::{Collective, Transfer},
    cuda::CudaError,
    dtype::DType,
    nccl::NcclError,
};

/// What ranks are about to do together. All of them must say the same before any of them begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// They become a communicator.
    Initialise,
    /// A collective, without what may differ from rank to rank.
    Collective {
        /// Which.
        collective: Collective,
        /// The type of the elements.
        dtype: DType,
        /// Elements in one block.
        block: usize,
        /// The root, where there is one.
        root: usize,
        /// How often it is done before anybody waits for it.
        repeats: u32,
    },
    /// Pieces of any size go from any rank to any other.
    Exchange,
    /// They part.
    Finalise,
}

impl Step {
    /// What a transfer is, done so often.
    pub const fn of(transfer: &Transfer, repeats: u32) -> Self {
        let Transfer { collective, dtype, block, root, send_offset: _, receive_offset: _ } = *transfer;
        Self::Collective { collective, dtype, block, root, repeats }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Initialise => formatter.write_str("initialisation"),
            Self::Collective { collective, dtype, block, root: _, repeats: _ } => {
                write!(formatter, "{collective} of {block} {dtype}")
            }
            Self::Exchange => formatter.write_str("exchange"),
            Self::Finalise => formatter.write_str("finalisation"),
        }
    }
}

/// A step and its number: 0 for the first that ranks do together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The number.
    pub sequence: u64,
    /// What is to be done.
    pub step: Step,
}

impl fmt::Display for Announcement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "step {} ({})", self.sequence, self.step)
    }
}

/// How a rank was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Its process ended.
    Died,
    /// Its process gives no sign of life.
    Silent,
    /// It is alive, but did not come to the step in time, or did not get through it.
    Late,
    /// It is alive, and said that something failed that no other rank is to blame for.
    Failed,
    /// It came to another step than the others.
    Differs {
        /// That step.
        came_to: Announcement,
    },
}

/// A rank that the others cannot go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("rank {rank} {} {at}", Verb(.cause))]
pub struct Loss {
    /// The rank.
    pub rank: usize,
    /// How it was lost.
    pub cause: Cause,
    /// The step that cannot be completed without it.
    pub at: Announcement,
}

struct Verb<'a>(&'a Cause);

impl fmt::Display for Verb<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Cause::Died => formatter.write_str("died before or in"),
            Cause::Silent => formatter.write_str("gives no sign of life in"),
            Cause::Late => formatter.write_str("did not come in time to"),
            Cause::Failed => formatter.write_str("failed by itself before or in"),
            Cause::Differs { came_to } => write!(formatter, "came to {came_to} while the others came to"),
        }
    }
}

/// Who sees all ranks of a communicator.
///
/// Each rank has its own handle. Its methods may be called from any thread.
pub trait Referee: Send + Sync {
    /// Says that this rank has come to a step, and waits until all ranks have, or one was lost.
    fn enter(&self, announcement: Announcement) -> Result<(), Loss>;

    /// Says that this rank is through with the step that it entered last.
    fn leave(&self);

    /// The rank that was lost, once one was. It costs no more than an atomic load, so that it can be asked in a loop.
    fn loss(&self) -> Option<Loss>;
}

/// Nobody watches: ranks are taken to agree, and only deadlines end a wait.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Referee for Unwatched {
    fn enter(&self, _: Announcement) -> Result<(), Loss> {
        Ok(())
    }

    fn leave(&self) {}

    fn loss(&self) -> Option<Loss> {
        None
    }
}

/// Why a step was not completed. After any of these a communicator refuses whatever else it is asked.
#[derive(Debug, thiserror::Error)]
pub enum CommunicatorError {
    /// A rank was lost.
    #[error(transparent)]
    Lost(#[from] Loss),
    /// The step did not end in time, and nobody knows of a lost rank.
    #[error("{at} did not end within {seconds:.1} s")]
    DeadlineExceeded {
        /// The step.
        at: Announcement,
        /// The deadline.
        seconds: f64,
    },
    /// A step was asked for after one that failed.
    #[error("the communicator was given up at {at}")]
    GivenUp {
        /// The step that failed.
        at: Announcement,
    },
    /// NCCL refused.
    #[error("{at}: NCCL: {message}")]
    Nccl {
        /// The step.
        at: Announcement,
        /// What NCCL says, with the name of its code.
        message: String,
    },
    /// NCCL cannot be used, or was asked for what it cannot do.
    #[error(transparent)]
    NcclUnusable(#[from] NcclError),
    /// Another rank cannot be talked to.
    #[error("{at}: the connection to rank {rank}: {message}")]
    Connection {
        /// The step.
        at: Announcement,
        /// The other rank.
        rank: usize,
        /// What the system says.
        message: String,
    },
    /// The rank's own GPU refused.
    #[error(transparent)]
    Cuda(#[from] CudaError),
    /// This communicator cannot do that, whoever asks.
    #[error("{0}")]
    Unsupported(String),
}

/// Memory that a communicator sends from and receives into.
pub trait Memory {
    /// Its size in bytes.
    fn bytes(&self) -> usize;

    /// Copies `source` to `offset`, and waits for it.
    ///
    /// # Panics
    /// If it does not fit there.
    fn write(&mut self, offset: usize, source: &[u8]) -> Result<(), CommunicatorError>;

    /// Copies what lies at `offset` into all of `destination`, and waits for it. Steps must have been waited for.
    ///
    /// # Panics
    /// If that reaches past the end.
    fn read(&self, offset: usize, destination: &mut [u8]) -> Result<(), CommunicatorError>;
}

/// A piece of memory and the rank that it goes to or comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The other rank; it may be the rank itself.
    pub peer: usize,
    /// Where it begins, in bytes.
    pub offset: usize,
    /// Its size. Nothing is sent where it is 0.
    pub bytes: usize,
}

/// One rank of several that do things together.
///
/// All ranks must do the same steps in the same order. Steps are numbered from 0, which is the initialisation.
pub trait Communicator {
    /// Where its data lie.
    type Memory: Memory;

    /// This rank, from 0.
    fn rank(&self) -> usize;

    /// How many ranks there are.
    fn world(&self) -> usize;

    /// Memory of this size, filled with zeros.
    fn allocate(&self, bytes: usize) -> Result<Self::Memory, CommunicatorError>;

    /// How many streams there are to enqueue on: 1 where there is no such thing.
    fn streams(&self) -> usize {
        1
    }

    /// Enqueues a collective on a stream. Collectives on different streams still take place in the order in which they
    /// were enqueued, which must be the same on all ranks.
    ///
    /// # Panics
    /// If a buffer reaches past the end of `memory`, or if there is no such stream.
    fn enqueue(
        &mut self,
        memory: &mut Self::Memory,
        transfer: &Transfer,
        stream: usize,
    ) -> Result<(), CommunicatorError>;

    /// Waits for everything that was enqueued, on all streams.
    fn wait(&mut self) -> Result<(), CommunicatorError>;

    /// Captures a collective into a graph, replays it so often, and waits; `false` where there are no graphs, and then
    /// nothing is done.
    fn replay(
        &mut self,
        memory: &mut Self::Memory,
        transfer: &Transfer,
        replays: u32,
    ) -> Result<bool, CommunicatorError>;

    /// How long one collective takes when it is done so often without a wait between, in seconds, after as many that do
    /// not count.
    fn time(&mut self, memory: &mut Self::Memory, transfer: &Transfer, repeats: u32) -> Result<f64, CommunicatorError>;

    /// Sends and receives pieces, and waits. What one rank sends to another must be received there in the same order and
    /// sizes. Pieces that are received must not overlap any other.
    fn exchange(
        &mut self,
        memory: &mut Self::Memory,
        sent: &[Piece],
        received: &[Piece],
    ) -> Result<(), CommunicatorError>;

    /// Parts from the other ranks in order, which waits for them.
    fn finalise(self) -> Result<(), CommunicatorError>
    where
        Self: Sized;
}

/// How long a step may take, and who is asked meanwhile.
#[derive(Clone)]
pub struct Patience {
    /// The longest that one step may take, the wait for the other ranks included.
    pub deadline: Duration,
    /// Who sees all ranks.
    pub referee: Arc<dyn Referee>,
}

impl Patience {
    /// Tries `attempt` until it gives something; fails once a rank was lost or `at` has taken too long.
    pub fn poll<T>(
        &self,
        at: Announcement,
        mut attempt: impl FnMut() -> Result<Option<T>, CommunicatorError>,
    ) -> Result<T, CommunicatorError> {
        /// Most steps end within microseconds: only a wait that lasts gives up its processor.
        const SPIN: Duration = Duration::from_millis(2);
        /// How long it is given up for: short beside any deadline.
        const PAUSE: Duration = Duration::from_micros(200);
        let begin = Instant::now();
        loop {
            if let Some(done) = attempt()? {
                return Ok(done);
            }
            if let Some(loss) = self.referee.loss() {
                return Err(loss.into());
            }
            let elapsed = begin.elapsed();
            if elapsed > self.deadline {
                return Err(CommunicatorError::DeadlineExceeded { at, seconds: self.deadline.as_secs_f64() });
            }
            if elapsed > SPIN {
                std::thread::sleep(PAUSE);
            } else {
                std::hint::spin_loop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Announcement = Announcement { sequence: 7, step: Step::Exchange };

    #[test]
    fn a_loss_names_rank_step_and_number() {
        let loss = |cause| Loss { rank: 3, cause, at: AT }.to_string();
        assert_eq!(loss(Cause::Died), "rank 3 died before or in step 7 (exchange)");
        let came_to = Announcement { sequence: 7, step: Step::Finalise };
        assert_eq!(
            loss(Cause::Differs { came_to }),
            "rank 3 came to step 7 (finalisation) while the others came to step 7 (exchange)"
        );
    }

    #[test]
    fn a_wait_ends_with_the_deadline_or_with_a_loss() {
        struct Lost;
        impl Referee for Lost {
            fn enter(&self, _: Announcement) -> Result<(), Loss> {
                Ok(())
            }
            fn leave(&self) {}
            fn loss(&self) -> Option<Loss> {
                Some(Loss { rank: 1, cause: Cause::Silent, at: AT })
            }
        }
        let never = || Ok(None::<()>);
        let short = Patience { deadline: Duration::from_millis(5), referee: Arc::new(Unwatched) };
        assert!(matches!(short.poll(AT, never), Err(CommunicatorError::DeadlineExceeded { at: AT, .. })));
        let watched = Patience { deadline: Duration::from_secs(60), referee: Arc::new(Lost) };
        assert!(matches!(watched.poll(AT, never), Err(CommunicatorError::Lost(Loss { rank: 1, .. }))));
    }
}
