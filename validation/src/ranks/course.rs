//! One thing that all ranks are told to do, from the order until every rank has ended it, in whatever way.

use std::time::{Duration, Instant};

use robocache_core::communicator::{Announcement, Cause, Loss};
use serde_json::value::RawValue;

use super::{
    agreement::{Agreement, Ruling},
    connection::wait,
    deadlines::Deadlines,
    end::{FailureKind, RankFailure, RankOutcome},
    protocol::{Ended, Invitation, Order, Word},
    world::Seat,
};

/// How long to wait at a time: deadlines are kept within this.
const SLICE: Duration = Duration::from_millis(20);

/// How long a process whose connection is closed may take to end, so that its own status is known.
const EXIT: Duration = Duration::from_secs(2);

/// What ranks are told to do.
pub(super) enum Errand {
    /// Tasks, by rank.
    Perform(Vec<Box<RawValue>>),
    /// Part in order.
    Part,
}

/// How one rank ended.
pub(super) struct End {
    pub(super) outcome: RankOutcome<Box<RawValue>>,
    pub(super) at: Instant,
    pub(super) free_memory_after: Option<u64>,
}

/// One errand under way.
pub(super) struct Course {
    errand: Errand,
    agreement: Agreement,
    generation: u64,
    order: u64,
    deadlines: Deadlines,
    begin: Instant,
    /// What came of each rank, while not all came.
    invitations: Option<Vec<Option<Option<Invitation>>>>,
    firing: Option<(Announcement, Instant)>,
    detected: Option<(Loss, Instant)>,
    ends: Vec<Option<End>>,
}

impl Course {
    /// Of ranks that are a communicator.
    pub(super) fn of_joined(
        errand: Errand,
        agreement: Agreement,
        (generation, order): (u64, u64),
        deadlines: Deadlines,
    ) -> Self {
        Self {
            errand,
            agreement,
            generation,
            order,
            deadlines,
            begin: Instant::now(),
            invitations: None,
            firing: None,
            detected: None,
            ends: Vec::new(),
        }
    }

    /// Of ranks that were told to prepare for one.
    pub(super) fn of_strangers(
        errand: Errand,
        agreement: Agreement,
        numbers: (u64, u64),
        deadlines: Deadlines,
    ) -> Self {
        Self { invitations: Some(Vec::new()), ..Self::of_joined(errand, agreement, numbers, deadlines) }
    }

    /// Referees until every rank has ended. This is the only loop in which the leader waits for ranks.
    pub(super) fn run(&mut self, seats: &mut [Seat]) {
        self.ends = seats.iter().map(|_| None).collect();
        match &mut self.invitations {
            Some(invitations) => *invitations = seats.iter().map(|_| None).collect(),
            None => self.give(seats),
        }
        while self.ends.iter().any(Option::is_none) {
            self.listen(seats);
            let now = Instant::now();
            for rank in 0..seats.len() {
                self.look_at(rank, &mut seats[rank], now);
            }
            self.hand_out_invitations(seats, now);
            match self.agreement.decide(now) {
                Some(Ruling::Go(sequence)) => {
                    let go = Order::Go { generation: self.generation, sequence };
                    seats.iter_mut().for_each(|seat| seat.send(&go));
                }
                Some(Ruling::Lost(loss)) => self.tell(loss, seats, now),
                None => {}
            }
            self.give_up_the_stuck(seats, now);
        }
    }

    /// Has ranks that did their part leave the communicator of those that did not.
    pub(super) fn settle(&mut self, order: u64, seats: &mut [Seat]) {
        let mut unsettled: Vec<usize> =
            (0..seats.len()).filter(|&rank| self.reported(rank) && seats[rank].member.is_some()).collect();
        for &rank in &unsettled {
            seats[rank].send(&Order::Abandon { order });
        }
        let begin = Instant::now();
        while !unsettled.is_empty() {
            wait(unsettled.iter().filter_map(|&rank| Some(&seats[rank].member.as_ref()?.connection)), None, SLICE);
            unsettled.retain(|&rank| {
                let Some(member) = &mut seats[rank].member else { return false };
                member.connection.flush();
                while let Some(word) = member.connection.take::<Word>() {
                    if let Word::Ended { order: ended, free_memory_after, .. } = word
                        && ended == order
                    {
                        if let Some(end) = &mut self.ends[rank] {
                            end.free_memory_after = free_memory_after;
                        }
                        return false;
                    }
                }
                let is_gone = member.connection.is_closed() || begin.elapsed() > self.deadlines.grace;
                if is_gone {
                    seats[rank].dismiss(Duration::ZERO);
                }
                !is_gone
            });
        }
    }

    /// Whether every rank did what it was to do.
    pub(super) fn went_well(&self) -> bool {
        (0..self.ends.len()).all(|rank| self.reported(rank))
    }

    /// What further errands of the same communicator go on with.
    pub(super) fn take_agreement(&mut self) -> Agreement {
        let world = self.ends.len();
        std::mem::replace(&mut self.agreement, Agreement::new(world, self.deadlines.late))
    }

    /// From when times count.
    pub(super) fn since(&self) -> Instant {
        self.firing.map_or(self.begin, |(_, at)| at)
    }

    /// Where the fault was carried out, which rank was lost, and how each ended.
    pub(super) fn into_parts(self) -> (Option<(Announcement, Instant)>, Option<(Loss, Instant)>, Vec<End>) {
        (self.firing, self.detected, self.ends.into_iter().flatten().collect())
    }

    fn reported(&self, rank: usize) -> bool {
        self.ends[rank].as_ref().is_some_and(|end| matches!(end.outcome, RankOutcome::Reported(_)))
    }

    /// Gives each rank its order.
    fn give(&self, seats: &mut [Seat]) {
        let order = self.order;
        match &self.errand {
            Errand::Perform(tasks) => {
                for (seat, task) in seats.iter_mut().zip(tasks) {
                    seat.send(&Order::Perform { order, task: task.clone() });
                }
            }
            Errand::Part => seats.iter_mut().for_each(|seat| seat.send(&Order::Part { order })),
        }
    }

    fn listen(&mut self, seats: &mut [Seat]) {
        wait(seats.iter().filter_map(|seat| Some(&seat.member.as_ref()?.connection)), None, SLICE);
        for (rank, seat) in seats.iter_mut().enumerate() {
            let Some(member) = &mut seat.member else { continue };
            member.connection.flush();
            while let Some(word) = member.connection.take::<Word>() {
                let now = Instant::now();
                match word {
                    Word::Beat => {}
                    Word::Joining { free_memory_before } => seat.free_memory_before = free_memory_before,
                    Word::Ended { order, result, free_memory_after } if order == self.order => {
                        self.hear_end(rank, result, free_memory_after, now);
                    }
                    Word::Invitation { generation, invitation } if generation == self.generation => {
                        if let Some(place) = self.invitations.as_mut().and_then(|all| all.get_mut(rank)) {
                            *place = Some(invitation);
                        }
                    }
                    Word::Firing { generation, at } if generation == self.generation => {
                        self.firing.get_or_insert((at, now));
                    }
                    Word::Entered { generation, at } if generation == self.generation => {
                        self.agreement.enter(rank, at, now);
                    }
                    Word::Left { generation } if generation == self.generation => self.agreement.leave(rank),
                    // Of a communicator that is no more.
                    Word::Ended { .. }
                    | Word::Invitation { .. }
                    | Word::Firing { .. }
                    | Word::Entered { .. }
                    | Word::Left { .. } => {}
                }
            }
        }
    }

    fn hear_end(&mut self, rank: usize, result: Ended, free_memory_after: Option<u64>, now: Instant) {
        let outcome = match result {
            Ended::Reported(report) => RankOutcome::Reported(report),
            Ended::Parted => RankOutcome::Reported(RawValue::NULL.to_owned()),
            Ended::Failed(failure) => RankOutcome::Failed(failure),
        };
        match &outcome {
            RankOutcome::Failed(failure) if is_its_own(failure) => self.agreement.lose(rank, Cause::Late, now),
            RankOutcome::Reported(_)
            | RankOutcome::Failed(_)
            | RankOutcome::Died { .. }
            | RankOutcome::Silent
            | RankOutcome::Stuck => self.agreement.end(rank),
        }
        self.end(rank, outcome, free_memory_after, now);
    }

    fn end(&mut self, rank: usize, outcome: RankOutcome<Box<RawValue>>, free_memory_after: Option<u64>, at: Instant) {
        self.ends[rank].get_or_insert(End { outcome, at, free_memory_after });
    }

    /// Whether a rank that has not ended yet died or fell silent.
    fn look_at(&mut self, rank: usize, seat: &mut Seat, now: Instant) {
        if self.ends[rank].is_some() {
            return;
        }
        let Some(member) = &seat.member else {
            // It was gone before the errand began.
            self.agreement.lose(rank, Cause::Died, now);
            return self.end(rank, RankOutcome::Died { signal: None, exit_code: None }, None, now);
        };
        if member.connection.is_closed() {
            self.agreement.lose(rank, Cause::Died, now);
            let (signal, exit_code) = seat.dismiss(EXIT);
            self.end(rank, RankOutcome::Died { signal, exit_code }, None, now);
        } else if now.saturating_duration_since(member.connection.heard()) > self.deadlines.silence {
            self.agreement.lose(rank, Cause::Silent, now);
            seat.dismiss(Duration::ZERO);
            self.end(rank, RankOutcome::Silent, None, now);
        }
    }

    /// Has ranks join each other once all have said what is needed for it.
    fn hand_out_invitations(&mut self, seats: &mut [Seat], now: Instant) {
        let Some(invitations) = &mut self.invitations else { return };
        if invitations.iter().all(Option::is_some) {
            let invitations = invitations.iter_mut().map(|invitation| invitation.take().flatten()).collect();
            let join = Order::Join { invitations };
            seats.iter_mut().for_each(|seat| seat.send(&join));
            self.invitations = None;
            self.give(seats);
        } else if now.duration_since(self.begin) > self.deadlines.invitation {
            for (rank, invitation) in invitations.iter().enumerate() {
                if invitation.is_none() {
                    self.agreement.lose(rank, Cause::Late, now);
                }
            }
        }
    }

    /// Tells everybody that is left that a rank was lost.
    fn tell(&mut self, loss: Loss, seats: &mut [Seat], now: Instant) {
        self.detected = Some((loss, now));
        let lost = Order::Lost { generation: self.generation, loss };
        seats.iter_mut().for_each(|seat| seat.send(&lost));
        // They wait to join, and never will: this has them say how that ended.
        if self.invitations.take().is_some() {
            self.give(seats);
        }
    }

    /// Kills whoever does not end although it was told that a rank was lost.
    fn give_up_the_stuck(&mut self, seats: &mut [Seat], now: Instant) {
        let is_over = self.detected.is_some_and(|(_, at)| now.duration_since(at) > self.deadlines.grace);
        for (rank, seat) in seats.iter_mut().enumerate().filter(|_| is_over) {
            if self.ends[rank].is_none() {
                seat.dismiss(Duration::ZERO);
                self.end(rank, RankOutcome::Stuck, None, now);
            }
        }
    }
}

/// Whether a rank failed by itself, and not because of others.
fn is_its_own(failure: &RankFailure) -> bool {
    match failure.kind {
        FailureKind::Cuda
        | FailureKind::NcclUnusable
        | FailureKind::Unsupported
        | FailureKind::Work
        | FailureKind::Panicked => true,
        // These may be how it met the loss of another rank, which the leader sees for itself.
        FailureKind::Lost
        | FailureKind::DeadlineExceeded
        | FailureKind::GivenUp
        | FailureKind::Nccl
        | FailureKind::Connection => false,
    }
}
