//! One thing that all ranks are told to do, from the order until every rank has ended it, in whatever way.

use std::time::{Duration, Instant};

use robocache_core::communicator::{Announcement, Cause, Loss};
use serde_json::value::RawValue;

use super::{
    agreement::{Agreement, Ruling},
    connection::{Connection, wait},
    deadlines::Deadlines,
    end::RankOutcome,
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
            for (rank, seat) in seats.iter().enumerate() {
                self.look_at(rank, seat, now);
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
            self.give_up_the_stuck(now);
        }
        self.remove_the_lost(seats);
    }

    /// Has whoever is left leave the communicator, and say how much memory is free then. Those that gave it up already are
    /// asked again: as long as a lost rank's process was there, it held memory of theirs that was mapped into it.
    pub(super) fn settle(&mut self, order: u64, seats: &mut [Seat]) {
        let mut unsettled: Vec<usize> = (0..seats.len()).filter(|&rank| seats[rank].member.is_some()).collect();
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
        std::mem::replace(&mut self.agreement, Agreement::new(world, self.deadlines))
    }

    /// From when times count.
    pub(super) fn since(&self) -> Instant {
        self.firing.map_or(self.begin, |(_, at)| at)
    }

    /// Where the fault was carried out.
    pub(super) fn firing(&self) -> Option<Announcement> {
        self.firing.map(|(at, _)| at)
    }

    /// Which rank was found to be lost, and when.
    pub(super) const fn detected(&self) -> Option<(Loss, Instant)> {
        self.detected
    }

    /// How each rank ended.
    pub(super) fn into_ends(self) -> impl Iterator<Item = End> {
        self.ends.into_iter().flatten()
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
                    Word::Prepared { free_memory_before } => seat.free_memory_before = free_memory_before,
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
            Ended::Failed(failure) => RankOutcome::Failed(*failure),
        };
        match &outcome {
            RankOutcome::Failed(failure) => self.agreement.fail(rank, failure.kind, now),
            RankOutcome::Reported(_) | RankOutcome::Died { .. } | RankOutcome::Silent | RankOutcome::Stuck => {
                self.agreement.end(rank);
            }
        }
        self.end(rank, outcome, free_memory_after, now);
    }

    fn end(&mut self, rank: usize, outcome: RankOutcome<Box<RawValue>>, free_memory_after: Option<u64>, at: Instant) {
        self.ends[rank].get_or_insert(End { outcome, at, free_memory_after });
    }

    /// Whether a rank that has not ended yet died or fell silent. Its process is looked after later: a driver may take
    /// seconds to let go of one, and the others are waiting.
    fn look_at(&mut self, rank: usize, seat: &Seat, now: Instant) {
        if self.ends[rank].is_some() {
            return;
        }
        let connection = seat.member.as_ref().map(|member| &member.connection);
        // Where there is none, it was gone before the errand began.
        if connection.is_none_or(Connection::is_closed) {
            self.agreement.lose(rank, Cause::Died, now);
            self.end(rank, RankOutcome::Died { signal: None, exit_code: None }, None, now);
        } else if connection.is_some_and(|open| now.saturating_duration_since(open.heard()) > self.deadlines.silence) {
            self.agreement.lose(rank, Cause::Silent, now);
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

    /// Waits no longer for ranks that do not end although they were told that another was lost.
    fn give_up_the_stuck(&mut self, now: Instant) {
        if self.detected.is_some_and(|(_, at)| now.duration_since(at) > self.deadlines.grace) {
            for rank in 0..self.ends.len() {
                self.end(rank, RankOutcome::Stuck, None, now);
            }
        }
    }

    /// Kills what is left of lost ranks, and sees how those that died did.
    fn remove_the_lost(&mut self, seats: &mut [Seat]) {
        for (end, seat) in self.ends.iter_mut().flatten().zip(seats) {
            match &mut end.outcome {
                RankOutcome::Died { signal, exit_code } => (*signal, *exit_code) = seat.dismiss(EXIT),
                RankOutcome::Silent | RankOutcome::Stuck => drop(seat.dismiss(Duration::ZERO)),
                RankOutcome::Reported(_) | RankOutcome::Failed(_) => {}
            }
        }
    }
}
