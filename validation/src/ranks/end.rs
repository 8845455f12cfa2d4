//! How ranks ended what they did together.

use robocache_core::communicator::{Announcement, CommunicatorError, Loss};
use serde::{Deserialize, Serialize};

use super::work::WorkError;

/// What became of one task.
#[derive(Clone, Debug, PartialEq)]
pub struct Performed<R> {
    /// How each rank ended, by rank.
    pub ends: Vec<RankEnd<R>>,
    /// Where the scheduled fault was carried out: the victim says so right before it does.
    pub firing: Option<Announcement>,
    /// The rank that was lost, if one was.
    pub loss: Option<Detection>,
}

impl<R> Performed<R> {
    /// Whether every rank did what it was to do.
    pub fn is_complete(&self) -> bool {
        self.ends.iter().all(|end| matches!(end.outcome, RankOutcome::Reported(_)))
    }
}

/// The leader's finding that a rank was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detection {
    /// Which, how and where.
    pub loss: Loss,
    /// How long it took to find out, in milliseconds: since the fault was carried out, or without one since the task was
    /// given.
    pub elapsed_ms: u64,
}

/// How one rank ended.
#[derive(Clone, Debug, PartialEq)]
pub struct RankEnd<R> {
    /// The rank.
    pub rank: usize,
    /// How.
    pub outcome: RankOutcome<R>,
    /// When, in milliseconds since the fault was carried out, or without one since the task was given.
    pub elapsed_ms: u64,
    /// Bytes free on its GPU before it joined the communicator.
    pub free_memory_before: Option<u64>,
    /// Bytes free on its GPU after it left the communicator; `None` where it did not leave it.
    pub free_memory_after: Option<u64>,
}

/// What became of one rank.
#[derive(Clone, Debug, PartialEq)]
pub enum RankOutcome<R> {
    /// It did what it was to do.
    Reported(R),
    /// It says what went wrong, and has given the communicator up.
    Failed(RankFailure),
    /// Its process ended, or its connection did and it was killed. Only the status of a process that the leader started is
    /// known.
    Died {
        /// The signal that ended it.
        signal: Option<i32>,
        /// Its exit code.
        exit_code: Option<i32>,
    },
    /// It gave no sign of life, and was killed.
    Silent,
    /// It gave signs of life, but did not end after it was told that another rank was lost, and was killed. This is what
    /// must never happen.
    Stuck,
}

/// What a rank says of its own failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct RankFailure {
    /// What kind of error it was.
    pub kind: FailureKind,
    /// The error for people.
    pub message: String,
    /// The lost rank, where that was the reason.
    pub loss: Option<Loss>,
    /// The step that failed, where there is one.
    pub at: Option<Announcement>,
}

/// The kinds of failure that a rank tells apart: those of [`CommunicatorError`], and its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Another rank was lost.
    Lost,
    /// A step took too long, and nobody knows of a lost rank.
    DeadlineExceeded,
    /// A step was asked for after one that failed.
    GivenUp,
    /// NCCL refused.
    Nccl,
    /// NCCL is missing, or cannot be used.
    NcclUnusable,
    /// The connection to another rank failed.
    Connection,
    /// The GPU refused.
    Cuda,
    /// The communicator cannot do that.
    Unsupported,
    /// The task cannot be done, whoever the other ranks are.
    Work,
    /// The code under test panicked.
    Panicked,
}

impl From<&CommunicatorError> for RankFailure {
    fn from(error: &CommunicatorError) -> Self {
        let (kind, loss, at) = match error {
            CommunicatorError::Lost(loss) => (FailureKind::Lost, Some(*loss), Some(loss.at)),
            CommunicatorError::DeadlineExceeded { at, seconds: _ } => (FailureKind::DeadlineExceeded, None, Some(*at)),
            CommunicatorError::GivenUp { at } => (FailureKind::GivenUp, None, Some(*at)),
            CommunicatorError::Nccl { at, message: _ } => (FailureKind::Nccl, None, Some(*at)),
            CommunicatorError::Connection { at, rank: _, message: _ } => (FailureKind::Connection, None, Some(*at)),
            CommunicatorError::Cuda(_) => (FailureKind::Cuda, None, None),
            CommunicatorError::NcclUnusable(_) => (FailureKind::NcclUnusable, None, None),
            CommunicatorError::Unsupported(_) => (FailureKind::Unsupported, None, None),
        };
        Self { kind, message: error.to_string(), loss, at }
    }
}

impl From<WorkError> for RankFailure {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Communicator(error) => Self::from(&error),
            WorkError::Failed(message) => Self { kind: FailureKind::Work, message, loss: None, at: None },
        }
    }
}
