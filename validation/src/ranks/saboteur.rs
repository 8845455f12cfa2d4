//! A rank that a fault happens to: it carries the fault out itself, at the very step, and says so right before.

use fault_injection::{Moment, RankFault, ScheduledFault};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use robocache_core::communicator::{Announcement, Cause, Loss, Referee};

use super::line::RemoteReferee;

/// A referee of a rank with a fault ahead, or with none.
pub(super) struct Saboteur {
    referee: RemoteReferee,
    fault: Option<ScheduledFault>,
}

/// What a rank does to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Die,
    Stop,
    /// Its step fails for it alone.
    GiveUp,
    /// It goes on to the step that its task has in the place of that of the others.
    GoAstray,
}

/// On which side of the agreement with the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

impl Saboteur {
    pub(super) const fn new(referee: RemoteReferee, fault: Option<ScheduledFault>) -> Self {
        Self { referee, fault }
    }

    /// Whether this rank keeps its invitation to itself; then the leader has been told so.
    pub(super) fn keeps_invitation(&self, at: Announcement) -> bool {
        let keeps = self.fault.is_some_and(|scheduled| scheduled.fault == RankFault::NoInvitation);
        if keeps {
            self.referee.say_firing(at);
        }
        keeps
    }

    fn act(&self, side: Side, at: Announcement) -> Result<(), Loss> {
        let Some(scheduled) = self.fault else { return Ok(()) };
        let Some(deed) = deed(scheduled, side, at.sequence) else { return Ok(()) };
        self.referee.say_firing(at);
        let signal = match deed {
            Deed::Die => Signal::SIGKILL,
            Deed::Stop => Signal::SIGSTOP,
            Deed::GiveUp => return Err(Loss { rank: scheduled.victim, cause: Cause::Failed, at }),
            Deed::GoAstray => return Ok(()),
        };
        kill(Pid::this(), signal).expect("a process may send itself any signal");
        Ok(())
    }
}

/// What is to be done here, if anything.
fn deed(scheduled: ScheduledFault, side: Side, sequence: u64) -> Option<Deed> {
    let ScheduledFault { victim: _, fault, sequence: step } = scheduled;
    let is_here = |moment| match moment {
        Moment::BeforeInitialisation => (side, sequence) == (Side::Before, 0),
        Moment::InInitialisation => (side, sequence) == (Side::After, 0),
        Moment::Between => (side, sequence) == (Side::Before, step),
        Moment::Inside => (side, sequence) == (Side::After, step),
    };
    match fault {
        RankFault::Killed(moment) => is_here(moment).then_some(Deed::Die),
        RankFault::Stopped(moment) => is_here(moment).then_some(Deed::Stop),
        RankFault::GaveUp(moment) => is_here(moment).then_some(Deed::GiveUp),
        RankFault::OtherCollective | RankFault::OtherSize => {
            ((side, sequence) == (Side::Before, step)).then_some(Deed::GoAstray)
        }
        RankFault::NoInvitation => None,
    }
}

impl Referee for Saboteur {
    fn enter(&self, at: Announcement) -> Result<(), Loss> {
        self.act(Side::Before, at)?;
        self.referee.enter(at)?;
        self.act(Side::After, at)
    }

    fn leave(&self) {
        self.referee.leave();
    }

    fn loss(&self) -> Option<Loss> {
        self.referee.loss()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_carried_out_once_at_its_moment() {
        for fault in RankFault::all() {
            let scheduled = ScheduledFault { victim: 1, fault, sequence: 2 };
            let places: Vec<_> = (0..5)
                .flat_map(|sequence| [(Side::Before, sequence), (Side::After, sequence)])
                .filter(|&(side, sequence)| deed(scheduled, side, sequence).is_some())
                .collect();
            let expected = match fault.moment() {
                Some(Moment::BeforeInitialisation) => vec![(Side::Before, 0)],
                Some(Moment::InInitialisation) => vec![(Side::After, 0)],
                Some(Moment::Between) => vec![(Side::Before, 2)],
                Some(Moment::Inside) => vec![(Side::After, 2)],
                None if fault == RankFault::NoInvitation => vec![],
                None => vec![(Side::Before, 2)],
            };
            assert_eq!(places, expected, "{fault}");
        }
    }
}
