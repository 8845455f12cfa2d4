//! What ranks and their leader say to each other, each over a connection of its own.
//!
//! Messages are framed as those between supervisor and worker ([`crate::protocol`]). The leader speaks first
//! ([`Challenge`]), the rank answers ([`Hello`]), the leader welcomes or refuses it ([`Verdict`]); only then do [`Order`]s
//! and [`Word`]s follow.

use fault_injection::ScheduledFault;
use robocache_core::communicator::{Announcement, Loss};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    end::RankFailure,
    refusal::Refusal,
    secret::{Nonce, Proof},
};

/// The version of all of this.
pub(super) const VERSION: u32 = 1;

/// What the other ranks need of one to join: whatever its kind of communicator understands, which the leader need not.
pub(super) type Invitation = Box<RawValue>;

/// The leader's first words to whoever connects.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Challenge {
    pub(super) protocol: u32,
    pub(super) nonce: Nonce,
}

/// The rank's answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) protocol: u32,
    pub(super) nonce: Nonce,
    /// A [`Presence`](super::Presence), in the very bytes that the proof covers.
    pub(super) presence: Box<RawValue>,
    pub(super) proof: Proof,
}

/// Whether it may take part.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// It may, and this is the leader's own proof.
    Welcome { proof: Proof },
    /// It may not.
    Refused(Refusal),
}

/// From the leader.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// Leave the last communicator if there still is one, and say what the others need to join the next.
    Prepare {
        /// The number of the communicator.
        generation: u64,
        step_deadline_ms: u64,
        /// What happens to this rank.
        fault: Option<ScheduledFault>,
    },
    /// Become a communicator. All ranks' invitations, by rank.
    Join { invitations: Vec<Option<Invitation>> },
    /// Do this together with the others, and say how it ended.
    Perform { order: u64, task: Box<RawValue> },
    /// Part from the others in order, and say how it ended.
    Part { order: u64 },
    /// Drop the communicator without the others, and say so.
    Abandon { order: u64 },
    /// All have come to this step.
    Go { generation: u64, sequence: u64 },
    /// A rank was lost.
    Lost { generation: u64, loss: Loss },
    /// End.
    Quit,
}

/// From a rank.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    /// It lives.
    Beat,
    /// What the others need to join, if they need anything of this rank.
    Invitation { generation: u64, invitation: Option<Invitation> },
    /// It is about to carry out the fault that was scheduled for it.
    Firing { generation: u64, at: Announcement },
    /// It has come to a step.
    Entered { generation: u64, at: Announcement },
    /// It is through with the step that it came to last.
    Left { generation: u64 },
    /// It is about to join the others. Bytes that are free on its GPU.
    Joining { free_memory_before: Option<u64> },
    /// How an order ended; an order that was not carried out because joining failed ends as that did.
    Ended { order: u64, result: Ended, free_memory_after: Option<u64> },
}

/// How an order ended.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ended {
    /// The task is done, and this is the report.
    Reported(Box<RawValue>),
    /// The communicator is left.
    Parted,
    /// Something failed, and the communicator was given up.
    Failed(RankFailure),
}
