//! The leader's side: all ranks of one world, kept warm from task to task.

use std::{
    env,
    ffi::OsString,
    path::PathBuf,
    time::{Duration, Instant},
};

use fault_injection::{RankFault, ScheduledFault};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::{RawValue, to_raw_value};

use super::{
    agreement::Agreement,
    connection::part,
    course::{Course, Errand},
    deadlines::Deadlines,
    end::{Detection, Performed, RankEnd, RankOutcome},
    error::WorldError,
    presence::{Presence, STARTED, this_program},
    process::{RankProcess, Start, parts},
    protocol::{Order, Word},
    rendezvous::{Member, Rendezvous},
    secret::Secret,
};
use crate::{cell::Device, supervisor::THIS_PROGRAM};

/// Ranks that the leader starts itself, on its own machine.
#[derive(Clone, Debug)]
pub struct LocalRanks {
    /// The program, which must call [`serve`](super::serve).
    pub program: PathBuf,
    /// What makes it a rank; `--device cpu` or `--device cuda` is added.
    pub arguments: Vec<OsString>,
    /// What they run on.
    pub device: Device,
    /// How many there are, at least 1.
    pub world: usize,
    /// What the `CUDA_VISIBLE_DEVICES` of each is to be, by rank; more than ranks are no matter. Not used for the CPU.
    pub gpus: Vec<String>,
    /// How long things may take.
    pub deadlines: Deadlines,
}

/// Ranks that can be given tasks. Dropping it ends those that the leader started, and tells the others to end.
#[derive(Debug)]
pub struct World {
    rendezvous: Rendezvous,
    /// How to start ranks, if the leader does.
    local: Option<LocalRanks>,
    device: Device,
    deadlines: Deadlines,
    pub(super) seats: Vec<Seat>,
    /// The number of the last communicator.
    generation: u64,
    /// The number of the last order that is to be answered.
    order: u64,
    /// That of the communicator that there is.
    pub(super) agreement: Option<Agreement>,
}

/// The place of one rank.
#[derive(Debug, Default)]
pub(super) struct Seat {
    /// Its process, if the leader started it.
    pub(super) process: Option<RankProcess>,
    /// The rank, while it is there.
    pub(super) member: Option<Member>,
    pub(super) free_memory_before: Option<u64>,
}

impl LocalRanks {
    /// Ranks that are this program, started with the arguments of this worker.
    pub fn of_this_worker(device: Device, world: usize, gpus: Vec<String>, deadlines: Deadlines) -> Self {
        // The first argument says that this is a worker.
        let arguments = ["rank".into()].into_iter().chain(env::args_os().skip(2)).collect();
        Self { program: THIS_PROGRAM.into(), arguments, device, world, gpus, deadlines }
    }
}

impl World {
    /// Starts ranks and waits until all have arrived.
    pub fn gather(ranks: LocalRanks) -> Result<Self, WorldError> {
        let LocalRanks { device, world, ref gpus, deadlines, .. } = ranks;
        if device == Device::Cuda && gpus.len() < world {
            return Err(WorldError::TooFewGpus { world, gpus: gpus.len() });
        }
        let rendezvous = Rendezvous::listen(("127.0.0.1", 0), Secret::random()?, STARTED.to_owned(), device)?;
        Self::of(rendezvous, Some(ranks), device, world, deadlines)
    }

    /// Waits for ranks that a launcher has started, on this machine or others. `replacement` is the hash of what they must run
    /// in the place of the program's own operators or kernels.
    pub fn of_launched(
        address: (&str, u16),
        secret: Secret,
        replacement: Option<&str>,
        device: Device,
        world: usize,
        deadlines: Deadlines,
    ) -> Result<Self, WorldError> {
        let rendezvous = Rendezvous::listen(address, secret, this_program(replacement)?, device)?;
        Self::of(rendezvous, None, device, world, deadlines)
    }

    fn of(
        rendezvous: Rendezvous,
        local: Option<LocalRanks>,
        device: Device,
        world: usize,
        deadlines: Deadlines,
    ) -> Result<Self, WorldError> {
        assert!(world > 0, "a world without ranks");
        let seats = (0..world).map(|_| Seat::default()).collect();
        let mut gathered =
            Self { rendezvous, local, device, deadlines, seats, generation: 0, order: 0, agreement: None };
        gathered.fill_seats()?;
        Ok(gathered)
    }

    /// What the ranks run on.
    pub const fn device(&self) -> Device {
        self.device
    }

    /// How many ranks there are.
    pub fn world(&self) -> usize {
        self.seats.len()
    }

    /// Each rank that is there, in order.
    pub fn presences(&self) -> impl Iterator<Item = &Presence> {
        self.seats.iter().filter_map(|seat| Some(&seat.member.as_ref()?.presence))
    }

    /// Whether every rank is there and lives.
    pub fn is_sound(&mut self) -> bool {
        self.hear_the_idle();
        self.seats.iter().all(|seat| seat.member.is_some())
    }

    /// Has every rank do its task, and says how each ended, whatever happened to it.
    ///
    /// Local ranks that were lost before are started anew first. Where there is no communicator, ranks become one: always
    /// with a fault, so that its step has the number that it has in the task (the first step of a task is number 1), and
    /// after anything that failed.
    pub fn perform<T: Serialize, R: DeserializeOwned>(
        &mut self,
        task_of_rank: impl Fn(usize) -> T,
        fault: Option<ScheduledFault>,
    ) -> Result<Performed<R>, WorldError> {
        let tasks = (0..self.world())
            .map(|rank| to_raw_value(&task_of_rank(rank)).map_err(|source| WorldError::Task { rank, source }))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(scheduled) = fault {
            self.check(scheduled)?;
            self.part()?;
        }
        self.fill_seats()?;
        let course = self.run(Errand::Perform(tasks), fault);
        self.conclude(course, |rank, report| {
            serde_json::from_str(report.get()).map_err(|source| WorldError::Task { rank, source })
        })
    }

    /// Has all ranks part in order, if they are a communicator, and says how each ended. They stay for the next one.
    pub fn part(&mut self) -> Result<Vec<RankEnd<()>>, WorldError> {
        self.hear_the_idle();
        if self.agreement.is_none() {
            return Ok(Vec::new());
        }
        let course = self.run(Errand::Part, None);
        self.agreement = None;
        Ok(self.conclude(course, |_, _| Ok(()))?.ends)
    }

    fn check(&self, scheduled: ScheduledFault) -> Result<(), WorldError> {
        let ScheduledFault { victim, fault, sequence } = scheduled;
        let impossible = |rule: &str| Err(WorldError::Fault(format!("{scheduled}: {rule}")));
        if victim >= self.world() {
            return impossible("there is no such rank");
        }
        if fault.has_a_step() && sequence == 0 {
            return impossible("its step is one after the initialisation");
        }
        if fault == RankFault::NoInvitation && victim != 0 {
            return impossible("rank 0 is the one whose invitation all need");
        }
        Ok(())
    }

    /// Starts what is missing, if the leader starts ranks, and waits until all are there.
    fn fill_seats(&mut self) -> Result<(), WorldError> {
        self.hear_the_idle();
        let Some(first_missing) = self.seats.iter().position(|seat| seat.member.is_none()) else { return Ok(()) };
        // The others' communicator is of no use without it.
        self.agreement = None;
        let world = self.world();
        match &self.local {
            // Ranks that a launcher started come once.
            None if self.generation > 0 => return Err(WorldError::Gone { rank: first_missing }),
            None => {}
            Some(LocalRanks { program, arguments, gpus, .. }) => {
                for (rank, seat) in self.seats.iter_mut().enumerate().filter(|(_, seat)| seat.member.is_none()) {
                    let start = Start {
                        program,
                        arguments,
                        rank,
                        world,
                        device: self.device,
                        gpu: gpus.get(rank).map(String::as_str).filter(|_| self.device == Device::Cuda),
                        leader: self.rendezvous.address(),
                        secret: self.rendezvous.secret(),
                    };
                    let process = RankProcess::start(&start).map_err(|source| WorldError::Start { rank, source })?;
                    seat.process = Some(process);
                }
            }
        }
        let mut members: Vec<_> = self.seats.iter_mut().map(|seat| seat.member.take()).collect();
        let mut processes: Vec<_> = self.seats.iter_mut().map(|seat| seat.process.as_mut()).collect();
        // Those that the leader starts end with it.
        let latecomers = if self.local.is_some() { Duration::ZERO } else { self.deadlines.latecomers };
        let gathered = self.rendezvous.gather(&mut members, self.deadlines.rendezvous, latecomers, || {
            processes.iter_mut().enumerate().find_map(|(rank, process)| {
                let status = process.as_mut()?.status()?;
                Some(WorldError::EndedEarly { rank, ending: status.to_string() })
            })
        });
        for (seat, member) in self.seats.iter_mut().zip(members) {
            seat.member = member;
        }
        gathered
    }

    /// Takes what ranks said while nobody listened, and sees which of them are gone.
    fn hear_the_idle(&mut self) {
        for seat in &mut self.seats {
            if let Some(member) = &mut seat.member {
                member.connection.begin_listening();
                // Signs of life; whatever else it is belongs to nothing any more.
                while member.connection.take::<Word>().is_some() {}
                if member.connection.is_closed() {
                    seat.dismiss(Duration::ZERO);
                }
            }
        }
    }

    /// Has an errand done, and removes whoever was lost on it.
    fn run(&mut self, errand: Errand, fault: Option<ScheduledFault>) -> Course {
        self.order += 1;
        let deadlines = self.deadlines;
        let mut course = match self.agreement.take() {
            Some(mut agreement) => {
                agreement.resume();
                Course::of_joined(errand, agreement, (self.generation, self.order), deadlines)
            }
            None => {
                self.generation += 1;
                let agreement = Agreement::new(self.world(), deadlines);
                for (rank, seat) in self.seats.iter_mut().enumerate() {
                    seat.send(&Order::Prepare {
                        generation: self.generation,
                        step_deadline_ms: deadlines.step.as_millis() as u64,
                        fault: fault.filter(|scheduled| scheduled.victim == rank),
                    });
                }
                Course::of_strangers(errand, agreement, (self.generation, self.order), deadlines)
            }
        };
        course.run(&mut self.seats);
        if course.went_well() {
            self.agreement = Some(course.take_agreement());
        } else {
            self.order += 1;
            course.settle(self.order, &mut self.seats);
        }
        course
    }

    fn conclude<R>(
        &mut self,
        course: Course,
        read: impl Fn(usize, &RawValue) -> Result<R, WorldError>,
    ) -> Result<Performed<R>, WorldError> {
        let since = course.since();
        let elapsed_ms = |at: Instant| at.saturating_duration_since(since).as_millis() as u64;
        let (firing, detected) = (course.firing(), course.detected());
        let ends = course.into_ends().zip(&self.seats).enumerate().map(|(rank, (end, seat))| {
            let outcome = match end.outcome {
                RankOutcome::Reported(report) => RankOutcome::Reported(read(rank, &report)?),
                RankOutcome::Failed(failure) => RankOutcome::Failed(failure),
                RankOutcome::Died { signal, exit_code } => RankOutcome::Died { signal, exit_code },
                RankOutcome::Silent => RankOutcome::Silent,
                RankOutcome::Stuck => RankOutcome::Stuck,
            };
            Ok(RankEnd {
                rank,
                outcome,
                elapsed_ms: elapsed_ms(end.at),
                free_memory_before: seat.free_memory_before,
                free_memory_after: end.free_memory_after,
            })
        });
        Ok(Performed {
            ends: ends.collect::<Result<_, WorldError>>()?,
            firing,
            loss: detected.map(|(loss, at)| Detection { loss, elapsed_ms: elapsed_ms(at) }),
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let begin = Instant::now();
        for seat in &mut self.seats {
            seat.send(&Order::Quit);
        }
        let members = self.seats.iter_mut().filter_map(|seat| seat.member.take());
        let mut connections: Vec<_> = members.map(|member| member.connection).collect();
        part(&mut connections, self.deadlines.grace);
        drop(connections);
        for seat in &mut self.seats {
            seat.dismiss(self.deadlines.grace.saturating_sub(begin.elapsed()));
        }
    }
}

impl Seat {
    /// Sends an order, if there is anybody to take it.
    pub(super) fn send(&mut self, order: &Order) {
        if let Some(member) = &mut self.member {
            member.connection.send(order);
        }
    }

    /// Gives its process so long to end, and then kills it: its signal and exit code. One that a launcher started ends by
    /// itself when its connection is closed.
    pub(super) fn dismiss(&mut self, limit: Duration) -> (Option<i32>, Option<i32>) {
        let status = self.process.take().and_then(|mut process| process.wait(limit).or_else(|| process.end()));
        self.member = None;
        parts(status)
    }
}
