//! One rank's process: it finds its leader, and does what that says until it is told to end.

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc::Receiver},
    time::Duration,
};

use nix::sys::{prctl, signal::Signal};
use robocache_core::{
    collective::Patterned,
    communicator::{Communicator, Patience},
    cuda::{self, KernelFile},
};
use serde_json::value::RawValue;

use super::{
    agreement::INITIALISATION,
    end::{FailureKind, RankFailure},
    environment::RankEnvironment,
    error::RankError,
    join::{Join, JoinMesh, JoinNccl},
    line::Line,
    meet::meet,
    presence::{Presence, RankGpu, STARTED, this_program},
    process::STARTED_VARIABLE,
    protocol::{Ended, Invitation, Order, Word},
    saboteur::Saboteur,
    secret::Secret,
    work::Work,
};
use crate::{cell::Device, supervisor::panic_message, worker::without_inherited_limit};

/// Makes this process a rank, and does `work` until the leader says that it is over. Call it on the main thread.
///
/// Which rank it is, and where the leader listens, is read from the variables of its launcher ([`RankEnvironment`]), and
/// the secret from [`SECRET_VARIABLE`](super::SECRET_VARIABLE). If the leader is gone, the process ends at once, with the
/// exit status of [`Exit::HarnessFailed`](crate::exit::Exit::HarnessFailed). `replacement` is the hash of what the work runs
/// in the place of this program's own operators or kernels, and must be that of all ranks.
pub fn serve(
    work: &impl Work,
    device: Device,
    kernels: Option<&KernelFile>,
    replacement: Option<&str>,
) -> Result<(), RankError> {
    let place = RankEnvironment::of_this_process()?;
    let rank = place.rank;
    let system = |step, source| RankError::System { rank, step, source };
    let started_by_leader = env::var_os(STARTED_VARIABLE).is_some();
    if started_by_leader {
        prctl::set_pdeathsig(Signal::SIGKILL)
            .map_err(|error| system("ask for a signal when its leader ends", error.into()))?;
        // The leader may be a worker in the middle of a cell, whose limit is not meant for this process.
        without_inherited_limit().map_err(|error| system("lift its memory limit", std::io::Error::other(error)))?;
    }
    let secret = Secret::of_environment()?;
    let program = if started_by_leader { STARTED.to_owned() } else { this_program(replacement)? };
    let master = place.rendezvous()?;
    let arrive = |gpu| {
        let presence =
            Presence::here(rank, place.world, program, gpu).map_err(|error| system("say who it is", error))?;
        let stream = meet(master, &secret, &presence)?;
        let host = stream.local_addr().map_err(|error| system("use its connection", error))?.ip();
        let (line, orders) = Line::start(rank, stream).map_err(|error| system("start its threads", error))?;
        Ok::<_, RankError>((line, orders, host))
    };
    match device {
        Device::Cpu => {
            let (line, orders, host) = arrive(None)?;
            Rank::new(rank, line, JoinMesh { host }).obey(&orders, work);
        }
        Device::Cuda => {
            let gpu = |source| RankError::Gpu { rank, source };
            let device = match cuda::Device::open_with(own_gpu(), kernels) {
                Ok(device) => device,
                Err(error) => {
                    // The leader of launched ranks sees no process end. A rank without a GPU is turned away, and all others
                    // with it, before they have waited for this one in vain.
                    if !started_by_leader {
                        drop(arrive(None));
                    }
                    return Err(gpu(error));
                }
            };
            let cuda::DeviceProperties { name, uuid, .. } = device.context().properties().clone();
            let driver = cuda::driver_version().map_err(gpu)?;
            let (line, orders, _) = arrive(Some(RankGpu { name, uuid, driver }))?;
            Rank::new(rank, line, JoinNccl { device }).obey(&orders, work);
        }
    }
    Ok(())
}

/// A rank that has met its leader.
struct Rank<J: Join> {
    rank: usize,
    line: Line,
    join: J,
    generation: u64,
    state: State<J>,
}

/// The number of this rank's GPU, of those that it sees: one that the leader started sees its own only, and others see all of
/// their machine. 0 where this process is no rank.
pub fn own_gpu() -> usize {
    match (env::var_os(STARTED_VARIABLE), RankEnvironment::of_this_process()) {
        (None, Ok(place)) => place.local_rank,
        (Some(_), _) | (None, Err(_)) => 0,
    }
}

/// What a rank is part of.
enum State<J: Join> {
    /// Nothing.
    Alone,
    /// It said what others need to join.
    Invited { invited: J::Invited, patience: Patience },
    /// A communicator.
    Joined(J::Communicator),
    /// No longer or never of a communicator, and this is why.
    Failed(Box<RankFailure>),
}

impl<J: Join> Rank<J>
where
    <J::Communicator as Communicator>::Memory: Patterned,
{
    const fn new(rank: usize, line: Line, join: J) -> Self {
        Self { rank, line, join, generation: 0, state: State::Alone }
    }

    fn obey(&mut self, orders: &Receiver<Order>, work: &impl Work) {
        // The other end is the listening thread, which ends after `Quit` or with the process.
        for order in orders {
            match order {
                Order::Prepare { generation, step_deadline_ms, fault } => {
                    // Whatever it was part of is dropped first.
                    self.state = State::Alone;
                    self.line.say(&Word::Prepared { free_memory_before: self.join.free_memory() });
                    self.generation = generation;
                    let saboteur = Saboteur::new(self.line.referee(generation), fault);
                    let keeps = saboteur.keeps_invitation(INITIALISATION);
                    let deadline = Duration::from_millis(step_deadline_ms);
                    self.invite(keeps, Patience { deadline, referee: Arc::new(saboteur) });
                }
                Order::Join { invitations } => self.join(&invitations),
                Order::Perform { order, task } => {
                    let result = self.perform(work, &task);
                    self.say_end(order, result.map_or_else(Ended::Failed, Ended::Reported));
                }
                Order::Part { order } => {
                    let result = self.part();
                    self.say_end(order, result.map_or_else(Ended::Failed, |()| Ended::Parted));
                }
                Order::Abandon { order } => {
                    self.state = State::Alone;
                    self.say_end(order, Ended::Parted);
                }
                Order::Quit => {
                    self.state = State::Alone;
                    return;
                }
                // The listening thread takes these.
                Order::Go { .. } | Order::Lost { .. } => {}
            }
        }
    }

    fn invite(&mut self, keeps: bool, patience: Patience) {
        let invitation = match self.join.invite(self.rank) {
            Ok((invited, invitation)) => {
                self.state = State::Invited { invited, patience };
                invitation
            }
            Err(error) => {
                self.state = State::Failed(Box::new(RankFailure::from(&error)));
                None
            }
        };
        if !keeps {
            self.line.say(&Word::Invitation { generation: self.generation, invitation });
        }
    }

    fn join(&mut self, invitations: &[Option<Invitation>]) {
        match std::mem::replace(&mut self.state, State::Alone) {
            State::Invited { invited, patience } => {
                self.state = match self.join.join(invited, self.rank, invitations, patience) {
                    Ok(communicator) => State::Joined(communicator),
                    Err(error) => State::Failed(Box::new(RankFailure::from(&error))),
                };
            }
            other => self.state = other,
        }
    }

    /// Does the task. Where that fails the communicator is given up.
    fn perform(&mut self, work: &impl Work, task: &RawValue) -> Result<Box<RawValue>, Box<RankFailure>> {
        let mut communicator = self.take_communicator()?;
        // After a panic the communicator is dropped, so that nothing sees what was left half done.
        let done = catch_unwind(AssertUnwindSafe(|| work.perform(&mut communicator, task)));
        let failure = match done {
            Ok(Ok(report)) => {
                self.state = State::Joined(communicator);
                return Ok(report);
            }
            Ok(Err(error)) => RankFailure::from(error),
            Err(payload) => RankFailure {
                kind: FailureKind::Panicked,
                message: panic_message(&*payload).to_owned(),
                loss: None,
                at: None,
            },
        };
        drop(communicator);
        Err(self.explained(failure))
    }

    fn part(&mut self) -> Result<(), Box<RankFailure>> {
        let parted = self.take_communicator()?.finalise();
        parted.map_err(|error| self.explained(RankFailure::from(&error)))
    }

    fn take_communicator(&mut self) -> Result<J::Communicator, Box<RankFailure>> {
        let failure = match std::mem::replace(&mut self.state, State::Alone) {
            State::Joined(communicator) => return Ok(communicator),
            State::Failed(failure) => *failure,
            // The leader gives up waiting for invitations only if a rank is lost, and says so before it goes on.
            State::Invited { .. } | State::Alone => RankFailure {
                kind: FailureKind::Lost,
                message: "there is no communicator".into(),
                loss: None,
                at: Some(INITIALISATION),
            },
        };
        Err(self.explained(failure))
    }

    /// A failure with the loss behind it, if the leader knows of one.
    fn explained(&self, failure: RankFailure) -> Box<RankFailure> {
        Box::new(match (failure.kind, self.line.loss(self.generation)) {
            (FailureKind::Lost, Some(loss)) => RankFailure { message: loss.to_string(), loss: Some(loss), ..failure },
            (_, loss) => RankFailure { loss: failure.loss.or(loss), ..failure },
        })
    }

    fn say_end(&self, order: u64, result: Ended) {
        let free_memory_after = match self.state {
            State::Joined(_) => None,
            State::Alone | State::Invited { .. } | State::Failed(_) => self.join.free_memory(),
        };
        self.line.say(&Word::Ended { order, result, free_memory_after });
    }
}
