//! What the leader makes of what ranks say: whether all came to the same step, or one was lost.
//!
//! Nothing here talks to anybody or asks for the time, so that every case can be tested.

use std::time::{Duration, Instant};

use robocache_core::communicator::{Announcement, Cause, Loss, Step};

use super::{deadlines::Deadlines, end::FailureKind};

/// How long a loss waits for a survivor to say which step cannot be completed.
const HOLD: Duration = Duration::from_millis(500);

/// What ranks of one communicator have come to.
#[derive(Debug)]
pub(super) struct Agreement {
    places: Vec<Place>,
    deadlines: Deadlines,
    /// The last step that all came to.
    last: Option<Announcement>,
    /// When the first rank came to the step that is not agreed on yet.
    first_came: Option<Instant>,
    /// A lost rank that nobody was told of yet.
    held: Option<Held>,
    /// A rank that failed, perhaps because of another one, of which then nothing is known yet.
    suspect: Option<Held>,
    /// When the first rank had waited in vain for a step to end.
    overdue: Option<Instant>,
    /// There is nothing to agree on after a loss.
    lost: Option<Loss>,
}

/// A lost rank, and the step that cannot be completed without it, if that is known.
#[derive(Clone, Copy, Debug)]
struct Held {
    rank: usize,
    cause: Cause,
    at: Option<Announcement>,
    since: Instant,
}

/// Where one rank is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// On its way to the next step.
    Between,
    /// It came to this step, and waits.
    At(Announcement),
    /// In the step that all came to.
    In,
    /// It will come to no more steps in this task.
    Ended,
    /// It will not either, because something failed.
    Failed,
    /// It is lost.
    Lost,
}

/// What all ranks are to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    /// All have come to this step.
    Go(u64),
    /// One was lost. This is the last ruling.
    Lost(Loss),
}

impl Agreement {
    /// Of ranks that are not a communicator yet.
    pub(super) fn new(world: usize, deadlines: Deadlines) -> Self {
        Self {
            places: vec![Place::Between; world],
            deadlines,
            last: None,
            first_came: None,
            held: None,
            suspect: None,
            overdue: None,
            lost: None,
        }
    }

    /// Ranks that ended one task are given another.
    pub(super) fn resume(&mut self) {
        for place in &mut self.places {
            if *place == Place::Ended {
                *place = Place::Between;
            }
        }
    }

    /// A rank came to a step.
    pub(super) fn enter(&mut self, rank: usize, at: Announcement, now: Instant) {
        if self.places[rank] != Place::Lost {
            self.places[rank] = Place::At(at);
            self.first_came.get_or_insert(now);
        }
    }

    /// A rank is through with its step.
    pub(super) fn leave(&mut self, rank: usize) {
        if self.places[rank] == Place::In {
            self.places[rank] = Place::Between;
        }
    }

    /// A rank ended its task well.
    pub(super) fn end(&mut self, rank: usize) {
        if self.places[rank] != Place::Lost {
            self.places[rank] = Place::Ended;
        }
    }

    /// A rank ended its task because something failed.
    pub(super) fn fail(&mut self, rank: usize, failure: FailureKind, now: Instant) {
        if self.places[rank] == Place::Lost || self.lost.is_some() {
            return;
        }
        let held = self.hold(rank, Cause::Failed, now);
        self.places[rank] = Place::Failed;
        match failure {
            FailureKind::Cuda
            | FailureKind::NcclUnusable
            | FailureKind::Unsupported
            | FailureKind::Work
            | FailureKind::Panicked
            // Nobody told it so.
            | FailureKind::Lost => {
                self.held.get_or_insert(held);
            }
            // This may be how it met the loss of another rank, which will be seen soon, or not.
            FailureKind::Nccl | FailureKind::Connection | FailureKind::GivenUp => {
                self.suspect.get_or_insert(held);
            }
            FailureKind::DeadlineExceeded => {
                self.overdue.get_or_insert(now);
            }
        }
    }

    /// A rank died, or fell silent, or will never send what the others wait for.
    pub(super) fn lose(&mut self, rank: usize, cause: Cause, now: Instant) {
        let held = self.hold(rank, cause, now);
        // Nobody waits for a rank that has ended.
        if !matches!(std::mem::replace(&mut self.places[rank], Place::Lost), Place::Ended | Place::Failed) {
            self.held.get_or_insert(held);
        }
    }

    /// The loss of a rank that has been where it was until now.
    fn hold(&self, rank: usize, cause: Cause, now: Instant) -> Held {
        let at = match self.last {
            None => Some(INITIALISATION),
            Some(last) if self.places[rank] == Place::In => Some(last),
            // It was through with that step, and the others may be too.
            Some(_) => None,
        };
        Held { rank, cause, at, since: now }
    }

    /// Whom to blame for a failure if no other loss came to light while it would have.
    fn culprit(&self, now: Instant) -> Option<Held> {
        let is_ripe = |since: Instant| now.duration_since(since) >= self.deadlines.silence + HOLD;
        if let Some(suspect) = self.suspect {
            return is_ripe(suspect.since).then_some(suspect);
        }
        // The others gave up long ago: the one that is still in the step hangs there.
        let since = self.overdue.filter(|since| is_ripe(*since))?;
        let rank = self.places.iter().position(|place| *place == Place::In)?;
        Some(Held { rank, cause: Cause::Late, at: self.last, since })
    }

    /// What all are to be told now, if there is anything new.
    pub(super) fn decide(&mut self, now: Instant) -> Option<Ruling> {
        if self.lost.is_some() {
            return None;
        }
        self.held = self.held.or_else(|| self.culprit(now));
        if let Some(Held { rank, cause, at, since }) = self.held {
            let waited_for = self.waiting().next().map(|(_, at)| at);
            let last = self.last.filter(|_| now.duration_since(since) >= HOLD);
            return Some(self.rule(rank, cause, at.or(waited_for).or(last)?));
        }
        let first_came = self.first_came?;
        let absent = |place: &Place| matches!(place, Place::Between | Place::In);
        let all_came = !self.places.iter().any(absent);
        if !all_came && now.duration_since(first_came) < self.deadlines.late {
            return None;
        }
        let right = self.majority()?;
        let astray = self.waiting().find(|(_, at)| *at != right);
        // One that has ended will never come, and neither did one that is late.
        let missing = self.places.iter().position(|place| absent(place) || *place == Place::Ended);
        let failed = self.places.iter().position(|place| *place == Place::Failed);
        Some(match (failed, astray, missing) {
            (Some(rank), ..) => self.rule(rank, Cause::Failed, right),
            (None, Some((rank, came_to)), _) => self.rule(rank, Cause::Differs { came_to }, right),
            (None, None, Some(rank)) => self.rule(rank, Cause::Late, right),
            (None, None, None) => {
                self.places.fill(Place::In);
                self.first_came = None;
                self.last = Some(right);
                Ruling::Go(right.sequence)
            }
        })
    }

    fn rule(&mut self, rank: usize, cause: Cause, at: Announcement) -> Ruling {
        self.places[rank] = Place::Lost;
        let loss = Loss { rank, cause, at };
        self.lost = Some(loss);
        Ruling::Lost(loss)
    }

    fn waiting(&self) -> impl Iterator<Item = (usize, Announcement)> {
        self.places.iter().enumerate().filter_map(|(rank, place)| match place {
            Place::At(at) => Some((rank, *at)),
            Place::Between | Place::In | Place::Ended | Place::Failed | Place::Lost => None,
        })
    }

    /// What most of those that wait came to. Where as many came to another step, the lowest rank is taken to be right:
    /// of two ranks nobody can tell which is.
    fn majority(&self) -> Option<Announcement> {
        let count = |at: Announcement| self.waiting().filter(|(_, other)| *other == at).count();
        // Of several maxima the last is taken, so the lowest rank comes last.
        let waiting: Vec<_> = self.waiting().map(|(_, at)| at).collect();
        waiting.into_iter().rev().max_by_key(|at| count(*at))
    }
}

/// The step with which ranks become a communicator.
pub(super) const INITIALISATION: Announcement = Announcement { sequence: 0, step: Step::Initialise };

#[cfg(test)]
mod tests {
    use robocache_core::{
        collective::{Collective, Reduction},
        dtype::DType,
    };

    use super::*;

    const DEADLINES: Deadlines = Deadlines::DEFAULT;
    const LATE: Duration = DEADLINES.late;
    /// How long a rank that failed is not blamed for it.
    const DOUBT: Duration = DEADLINES.silence.saturating_add(HOLD);

    fn step(sequence: u64, block: usize) -> Announcement {
        let collective = Collective::AllReduce(Reduction::Sum);
        let step = Step::Collective { collective, dtype: DType::F32, block, root: 0, repeats: 1 };
        Announcement { sequence, step }
    }

    /// Ranks that are in step 1.
    fn inside(world: usize, now: Instant) -> Agreement {
        let mut agreement = Agreement::new(world, DEADLINES);
        for at in [INITIALISATION, step(1, 5)] {
            for rank in 0..world {
                assert_eq!(agreement.decide(now), None);
                agreement.leave(rank);
                agreement.enter(rank, at, now);
            }
            assert_eq!(agreement.decide(now), Some(Ruling::Go(at.sequence)));
            assert_eq!(agreement.decide(now), None);
        }
        agreement
    }

    fn lost(rank: usize, cause: Cause, at: Announcement) -> Option<Ruling> {
        Some(Ruling::Lost(Loss { rank, cause, at }))
    }

    #[test]
    fn a_rank_that_dies_before_anything_is_lost_at_the_initialisation() {
        let now = Instant::now();
        let mut agreement = Agreement::new(2, DEADLINES);
        agreement.lose(0, Cause::Died, now);
        assert_eq!(agreement.decide(now), lost(0, Cause::Died, INITIALISATION));
        assert_eq!(agreement.decide(now), None, "it is told once");
    }

    #[test]
    fn a_rank_that_dies_inside_a_step_is_lost_in_it() {
        let now = Instant::now();
        let mut agreement = inside(3, now);
        agreement.leave(0);
        agreement.lose(2, Cause::Silent, now);
        agreement.lose(1, Cause::Died, now);
        assert_eq!(agreement.decide(now), lost(2, Cause::Silent, step(1, 5)));
    }

    #[test]
    fn a_rank_that_dies_between_two_steps_is_lost_at_the_next_one() {
        let now = Instant::now();
        let mut agreement = inside(3, now);
        agreement.leave(2);
        agreement.lose(2, Cause::Died, now);
        assert_eq!(agreement.decide(now), None, "the others may be through");
        agreement.leave(0);
        agreement.enter(0, step(2, 7), now);
        assert_eq!(agreement.decide(now), lost(2, Cause::Died, step(2, 7)));
    }

    #[test]
    fn where_no_survivor_comes_to_a_step_the_last_one_is_named() {
        let now = Instant::now();
        let mut agreement = inside(2, now);
        agreement.leave(1);
        agreement.lose(1, Cause::Died, now);
        assert_eq!(agreement.decide(now + HOLD), lost(1, Cause::Died, step(1, 5)));
    }

    #[test]
    fn the_minority_is_astray_and_of_two_the_higher_rank() {
        let now = Instant::now();
        let mut agreement = inside(3, now);
        agreement.enter(0, step(2, 6), now);
        agreement.enter(1, step(2, 7), now);
        assert_eq!(agreement.decide(now), None, "nobody knows yet who is right");
        agreement.enter(2, step(2, 7), now);
        assert_eq!(agreement.decide(now), lost(0, Cause::Differs { came_to: step(2, 6) }, step(2, 7)));

        let mut agreement = inside(2, now);
        agreement.enter(1, step(2, 7), now);
        agreement.enter(0, step(2, 6), now);
        assert_eq!(agreement.decide(now), lost(1, Cause::Differs { came_to: step(2, 7) }, step(2, 6)));
    }

    #[test]
    fn a_rank_that_does_not_come_is_late_and_one_that_ended_never_comes() {
        let now = Instant::now();
        let mut agreement = inside(3, now);
        agreement.enter(0, step(2, 6), now);
        agreement.enter(2, step(2, 6), now);
        assert_eq!(agreement.decide(now + LATE / 2), None);
        assert_eq!(agreement.decide(now + LATE), lost(1, Cause::Late, step(2, 6)));

        let mut agreement = inside(2, now);
        agreement.end(1);
        agreement.enter(0, step(2, 6), now);
        assert_eq!(agreement.decide(now), lost(1, Cause::Late, step(2, 6)));
    }

    #[test]
    fn ranks_that_all_ended_go_on_with_the_next_task() {
        let now = Instant::now();
        let mut agreement = inside(2, now);
        agreement.end(0);
        agreement.end(1);
        assert_eq!(agreement.decide(now + 2 * LATE), None);
        agreement.resume();
        agreement.enter(0, step(2, 6), now);
        assert_eq!(agreement.decide(now), None);
        agreement.enter(1, step(2, 6), now);
        assert_eq!(agreement.decide(now), Some(Ruling::Go(2)));
        agreement.end(0);
        agreement.lose(0, Cause::Died, now);
        assert_eq!(agreement.decide(now + HOLD), None, "nobody waits for a rank that has ended");
    }

    #[test]
    fn a_rank_that_fails_by_itself_is_named_at_once() {
        let now = Instant::now();
        let mut agreement = inside(3, now);
        agreement.fail(1, FailureKind::Cuda, now);
        assert_eq!(agreement.decide(now), lost(1, Cause::Failed, step(1, 5)));

        let mut agreement = Agreement::new(2, DEADLINES);
        agreement.fail(0, FailureKind::NcclUnusable, now);
        assert_eq!(agreement.decide(now), lost(0, Cause::Failed, INITIALISATION));

        let mut agreement = inside(2, now);
        agreement.fail(0, FailureKind::Lost, now);
        assert_eq!(agreement.decide(now), lost(0, Cause::Failed, step(1, 5)), "nobody told it so");
    }

    #[test]
    fn a_failure_that_may_be_of_another_waits_for_that_to_be_seen() {
        let now = Instant::now();
        for failure in [FailureKind::Nccl, FailureKind::Connection, FailureKind::GivenUp] {
            let mut agreement = inside(3, now);
            agreement.fail(0, failure, now);
            assert_eq!(agreement.decide(now + HOLD), None);
            agreement.lose(2, Cause::Silent, now + DEADLINES.silence);
            assert_eq!(agreement.decide(now + DEADLINES.silence), lost(2, Cause::Silent, step(1, 5)));

            let mut agreement = inside(3, now);
            agreement.fail(0, failure, now);
            assert_eq!(agreement.decide(now + DOUBT), lost(0, Cause::Failed, step(1, 5)));
        }
    }

    #[test]
    fn a_rank_that_failed_never_comes() {
        let now = Instant::now();
        let mut agreement = inside(2, now);
        agreement.leave(1);
        agreement.fail(1, FailureKind::Connection, now);
        agreement.enter(0, step(2, 6), now);
        assert_eq!(agreement.decide(now), lost(1, Cause::Failed, step(2, 6)));
    }

    #[test]
    fn of_ranks_whose_step_does_not_end_the_one_that_never_says_so_hangs() {
        let now = Instant::now();
        let mut agreement = inside(3, now);
        agreement.fail(0, FailureKind::DeadlineExceeded, now);
        agreement.fail(1, FailureKind::DeadlineExceeded, now);
        assert_eq!(agreement.decide(now + HOLD), None);
        assert_eq!(agreement.decide(now + DOUBT), lost(2, Cause::Late, step(1, 5)));
    }
}
