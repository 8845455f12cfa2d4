//! Ranks that are processes of their own, on this machine or on many, and the leader that gives them tasks.
//!
//! Each rank has one connection to the leader and no other rank does: over it a rank says that it lives, and which step it
//! has come to; the leader lets all go on once all have come to the same step, or tells those that are left which rank was
//! lost, and how. So a rank never waits for ever for one that is no more, which NCCL by itself would let it do.
//!
//! | side   | step                     | in                                       |
//! |--------|--------------------------|------------------------------------------|
//! | rank   | which rank this is       | [`environment`]                          |
//! | both   | proving who one is       | `secret`                                 |
//! | leader | all ranks arrive         | `rendezvous`, with reasons in [`Refusal`]|
//! | rank   | finding the leader       | `meet`                                   |
//! | both   | what is said then        | `protocol`                               |
//! | leader | starting and keeping them| [`World`], `process`                     |
//! | leader | one task, and its end    | `course`, `agreement`                    |
//! | rank   | doing as it is told      | [`serve`], `line`, `join`                |
//! | rank   | what goes wrong on demand| `saboteur`                               |
//!
//! Nothing here knows what a task is: [`Work`] does.

mod agreement;
mod connection;
mod course;
mod deadlines;
mod end;
pub mod environment;
mod error;
mod join;
pub mod launched;
mod line;
mod meet;
mod presence;
mod process;
mod protocol;
mod rank;
mod refusal;
mod rendezvous;
mod saboteur;
mod secret;
mod work;
mod world;

pub use self::{
    deadlines::{BEAT, Deadlines},
    end::{Detection, FailureKind, Performed, RankEnd, RankFailure, RankOutcome},
    error::{RankError, WorldError},
    presence::{Presence, RankGpu},
    rank::{own_gpu, serve},
    refusal::Refusal,
    secret::{SECRET_VARIABLE, Secret, SecretError},
    work::{Work, WorkError},
    world::{LocalRanks, World},
};
