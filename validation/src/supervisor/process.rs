//! One worker process: its socket, what it prints, and how it is ended.

use std::{
    ffi::OsString,
    io::{self, Write},
    net::Shutdown,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{
            net::UnixStream,
            process::{CommandExt, ExitStatusExt},
        },
    },
    path::PathBuf,
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{Signal, killpg},
        wait::{Id, WaitPidFlag, WaitStatus, waitid},
    },
    unistd::Pid,
};

use super::output::Output;
use crate::{
    observation::Death,
    protocol::{Inbox, ProtocolError, Response},
};

/// How long one wait lasts at most. Death is usually seen at once by the closed socket; a process that shared its
/// socket with a surviving child, and an interrupt, are noticed this much later.
const SLICE: Duration = Duration::from_millis(50);

/// How long a process that closed its connection may take to end: the driver may have a GPU context to tear down.
const EXIT_GRACE: Duration = Duration::from_secs(5);

/// How long to wait for a process that was killed. Only one stuck inside the kernel, say in a hung driver, takes that
/// long; it is abandoned, so that it cannot stop the run.
const REAP_GRACE: Duration = Duration::from_secs(10);

/// How worker processes are started.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    /// The program.
    pub(crate) program: PathBuf,
    /// What makes it a worker.
    pub(crate) arguments: Vec<OsString>,
    /// Variables set beside those inherited.
    pub(crate) environment: Vec<(String, String)>,
    /// Where it stands.
    pub(crate) place: Place,
}

/// Whose child a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The supervisor's: leader of a process group, its output captured, and also forwarded if that is asked for.
    OwnGroup {
        /// Whether its output goes to standard error as it comes.
        forward_output: bool,
    },
    /// Another worker's: member of that one's process group and writing where that one writes, so that the supervisor
    /// reads both and kills both.
    SharedGroup,
}

/// A running worker. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    place: Place,
    socket: UnixStream,
    inbox: Inbox,
    output: Option<Output>,
    ready: bool,
    ended: bool,
}

/// What became of one request.
pub(crate) enum Answer {
    /// The worker answered; this is never [`Response::Ready`].
    Response(Response),
    /// The worker ended or closed its connection.
    Closed,
    /// No answer came in time.
    DeadlineExceeded,
    /// The worker said something that is no answer.
    Violation(ProtocolViolation),
    /// The wait was cancelled.
    Cancelled,
}

/// Something that a worker must not say.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProtocolViolation {
    /// It is no message.
    #[error(transparent)]
    Message(#[from] ProtocolError),
    /// It said that it is ready twice, or answered without having said so.
    #[error("the worker spoke out of turn: `ready` must come first, and once")]
    OutOfTurn,
}

/// How a process ended.
pub(crate) struct Ending {
    /// Its status; `None` if the kernel did not let go of it.
    pub(crate) status: Option<ExitStatus>,
    /// The end of what it printed.
    pub(crate) output_tail: String,
}

impl Launch {
    /// Starts a worker. It need not be ready yet to be sent a request.
    pub(crate) fn start(&self) -> io::Result<Process> {
        let (socket, theirs) = UnixStream::pair()?;
        socket.set_nonblocking(true)?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(OwnedFd::from(theirs));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let output = match self.place {
            Place::OwnGroup { forward_output } => {
                let (reader, writer) = io::pipe()?;
                command.process_group(0).stdout(writer.try_clone()?).stderr(writer);
                Some(Output::new(reader, forward_output)?)
            }
            Place::SharedGroup => None,
        };
        let child = command.spawn()?;
        Ok(Process { child, place: self.place, socket, inbox: Inbox::default(), output, ready: false, ended: false })
    }
}

impl Process {
    /// Sends an encoded request and waits for the answer until `limit` has passed or `cancelled` says so.
    pub(crate) fn exchange(&mut self, frame: &[u8], limit: Duration, cancelled: &dyn Fn() -> bool) -> Answer {
        let begin = Instant::now();
        // What a new process prints before it is ready may be the reason why it never will be.
        if let Some(output) = self.output.as_mut().filter(|_| self.ready) {
            output.forget();
        }
        let mut unsent = frame;
        loop {
            if !unsent.is_empty() {
                match self.socket.write(unsent) {
                    Ok(written) => unsent = &unsent[written..],
                    Err(error) if is_temporary(&error) => {}
                    // The connection is closed. Reading will say so, after whatever the worker had to say before.
                    Err(_) => unsent = &[],
                }
            }
            let elapsed = begin.elapsed();
            let waited_in_vain = !self.wait(!unsent.is_empty(), SLICE.min(limit.saturating_sub(elapsed)));
            // Asked before the last look at the socket, so that an answer sent just before the end is not missed.
            let exited = waited_in_vain && self.has_exited();
            if let Some(output) = &mut self.output {
                output.drain();
            }
            match self.read_answer() {
                Some(Answer::Response(response)) => {
                    if let Some(output) = &mut self.output {
                        output.drain();
                    }
                    return Answer::Response(response);
                }
                Some(answer) => return answer,
                None if exited => return Answer::Closed,
                None if begin.elapsed() >= limit => return Answer::DeadlineExceeded,
                None if cancelled() => return Answer::Cancelled,
                None => {}
            }
        }
    }

    /// Whether the process lives and has said nothing since its last answer: only then may it be asked again.
    pub(crate) fn is_idle(&self) -> bool {
        let mut descriptors = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        self.inbox.is_empty() && matches!(poll(&mut descriptors, PollTimeout::ZERO), Ok(0))
    }

    /// Whether it has ever said that it is ready.
    pub(crate) const fn was_ready(&self) -> bool {
        self.ready
    }

    /// Waits for a process whose connection is closed; `None` if it does not end by itself.
    pub(crate) fn death(mut self) -> Option<Death> {
        let exited = self.poll_until(EXIT_GRACE, Self::has_exited);
        let Ending { status, output_tail } = self.end();
        let status = status.filter(|_| exited)?;
        Some(Death { signal: status.signal(), exit_code: status.code(), output_tail })
    }

    /// Says that there is nothing more to do, and gives an idle process so long to end by itself before it is killed.
    pub(crate) fn dismiss(mut self, limit: Duration) {
        // It fails only where the other end is gone already.
        let _ = self.socket.shutdown(Shutdown::Write);
        self.poll_until(limit, Self::has_exited);
        self.end();
    }

    /// Kills the process, and its group if it leads one, and collects what is left of it.
    pub(crate) fn end(mut self) -> Ending {
        let status = self.kill_and_reap();
        Ending { status, output_tail: self.output.as_ref().map(Output::tail).unwrap_or_default() }
    }

    /// Waits until the worker says or prints something, or can be written to if that is wanted; false if nothing came.
    fn wait(&self, to_write: bool, timeout: Duration) -> bool {
        let events = if to_write { PollFlags::POLLIN | PollFlags::POLLOUT } else { PollFlags::POLLIN };
        let socket = PollFd::new(self.socket.as_fd(), events);
        // Rounded up: a wait of zero milliseconds would spin until the deadline.
        let timeout = PollTimeout::from(timeout.as_micros().div_ceil(1000).min(u128::from(u16::MAX)) as u16);
        let ready = match self.output.as_ref().and_then(Output::descriptor) {
            Some(output) => poll(&mut [socket, PollFd::new(output, PollFlags::POLLIN)], timeout),
            None => poll(&mut [socket], timeout),
        };
        !matches!(ready, Ok(0))
    }

    fn read_answer(&mut self) -> Option<Answer> {
        loop {
            match self.inbox.take::<Response>() {
                Ok(None) => {}
                Ok(Some(Response::Ready)) if !self.ready => {
                    self.ready = true;
                    continue;
                }
                Ok(Some(Response::Ready)) => return Some(Answer::Violation(ProtocolViolation::OutOfTurn)),
                Ok(Some(_)) if !self.ready => return Some(Answer::Violation(ProtocolViolation::OutOfTurn)),
                Ok(Some(response)) => return Some(Answer::Response(response)),
                Err(error) => return Some(Answer::Violation(error.into())),
            }
            match self.inbox.fill(&self.socket) {
                Ok(0) => return Some(Answer::Closed),
                Ok(_) => {}
                Err(error) if is_temporary(&error) => return None,
                Err(_) => return Some(Answer::Closed),
            }
        }
    }

    /// Whether the process ended. It is left unreaped, so that its identifier, which names its group too, cannot pass
    /// to a stranger before the group is killed.
    fn has_exited(&mut self) -> bool {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        !matches!(waitid(Id::Pid(self.pid()), flags), Ok(WaitStatus::StillAlive))
    }

    fn kill_and_reap(&mut self) -> Option<ExitStatus> {
        self.ended = true;
        // Either call fails only if there is nothing left to kill.
        match self.place {
            Place::OwnGroup { .. } => drop(killpg(self.pid(), Signal::SIGKILL)),
            Place::SharedGroup => drop(self.child.kill()),
        }
        let ended = self.poll_until(REAP_GRACE, |process| !matches!(process.child.try_wait(), Ok(None)));
        if ended { self.child.try_wait().ok().flatten() } else { None }
    }

    /// Asks ever more rarely until `condition` holds or `limit` has passed, draining output meanwhile, since a process
    /// that ends may still have something to print.
    fn poll_until(&mut self, limit: Duration, mut condition: impl FnMut(&mut Self) -> bool) -> bool {
        let begin = Instant::now();
        let mut pause = Duration::from_micros(20);
        loop {
            let holds = condition(self);
            if let Some(output) = &mut self.output {
                output.drain();
            }
            if holds || begin.elapsed() >= limit {
                return holds;
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        }
    }

    fn pid(&self) -> Pid {
        // Linux keeps process identifiers below 2^22.
        Pid::from_raw(self.child.id() as i32)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Never twice: once reaped, the kernel may have given the identifier to a stranger.
        if !self.ended {
            self.kill_and_reap();
        }
    }
}

/// What ended a process, in the words that a shell user knows.
pub(crate) fn cause(death: &Death) -> String {
    match (death.signal.map(Signal::try_from), death.exit_code) {
        (Some(Ok(signal)), _) => signal.as_str().to_owned(),
        (Some(Err(_)), _) => format!("signal {}", death.signal.unwrap_or_default()),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => "no status".to_owned(),
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
