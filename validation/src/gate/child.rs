//! The gate's side of one measuring process: its socket, what it printed, and how it is ended.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    os::{
        fd::OwnedFd,
        unix::{
            net::UnixStream,
            process::{CommandExt, ExitStatusExt},
        },
    },
    path::PathBuf,
    process::{Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::{
        signal::{Signal, killpg},
        wait::{Id, WaitPidFlag, WaitStatus, waitid},
    },
    unistd::Pid,
};

use super::protocol::{Answer, Greeting, Hello, LINE_LIMIT_BYTES, PROTOCOL, Request, Version, line};
use crate::supervisor::interrupt;

/// How long one wait lasts at most: an interrupt is noticed this much later.
const SLICE: Duration = Duration::from_millis(50);

/// How long a process may take to end once its connection is closed, or once it was killed.
const GRACE: Duration = Duration::from_secs(2);

/// How much of what a process printed is shown, in bytes.
const TAIL_BYTES: u64 = 2000;

/// How a measuring process is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// What makes it measure.
    pub arguments: Vec<OsString>,
}

/// A running process. Dropping it kills it and what it started.
#[derive(Debug)]
pub(super) struct Child {
    process: std::process::Child,
    socket: UnixStream,
    received: Vec<u8>,
    printed: File,
    /// Its status once it was killed; the inner `None` if it would not end.
    reaped: Option<Option<ExitStatus>>,
}

/// Why a process gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It could not be started.
    #[error("cannot be started: {0}")]
    Start(#[from] io::Error),
    /// It ended.
    #[error("ended without an answer ({how}){}", Printed(.printed))]
    Died {
        /// Its status.
        how: String,
        /// The end of what it printed.
        printed: String,
    },
    /// It took too long, and was killed.
    #[error("gave no answer within {:.1} s and was killed", .0.as_secs_f64())]
    Silent(Duration),
    /// It said something that is no answer.
    #[error("broke the protocol: {0}")]
    Garbage(String),
    /// It could not do what it was asked.
    #[error("refused: {0}")]
    Refused(String),
    /// Somebody interrupted the gate.
    #[error("interrupted")]
    Interrupted,
}

/// Why a process cannot be talked to from the start.
#[derive(Debug, thiserror::Error)]
pub enum HelloError {
    /// It is no measuring process.
    #[error(
        "it does not measure: it {0}\nA baseline is a `validation` program with the subcommand `measure`; older releases do \
         not have it"
    )]
    NoHello(ChildError),
    /// It speaks a later version.
    #[error(
        "it speaks version {0} of the measuring protocol, and this program only up to {PROTOCOL}; compare with the newer \
         program instead: run its `validation bench --against` on this one"
    )]
    Newer(u32),
}

struct Printed<'a>(&'a str);

impl std::fmt::Display for Printed<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(formatter, "; it printed: {}", self.0) }
    }
}

impl Launch {
    /// Starts the process. It need not have said hello to be asked.
    pub(super) fn start(&self) -> Result<Child, ChildError> {
        let (socket, theirs) = UnixStream::pair()?;
        socket.set_read_timeout(Some(SLICE))?;
        socket.set_write_timeout(Some(GRACE))?;
        // A file and no pipe: nobody has to read while the process measures.
        let printed = tempfile::tempfile()?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(OwnedFd::from(theirs));
        command.stdout(printed.try_clone()?).stderr(printed.try_clone()?).process_group(0);
        Ok(Child { process: command.spawn()?, socket, received: Vec::new(), printed, reaped: None })
    }
}

impl Child {
    /// Waits for the first line.
    pub(super) fn greet(&mut self, limit: Duration) -> Result<Hello, HelloError> {
        let garbage = |error: serde_json::Error| HelloError::NoHello(ChildError::Garbage(error.to_string()));
        let text = self.line(limit).map_err(HelloError::NoHello)?;
        let version = serde_json::from_slice::<Version>(&text).map_err(garbage)?.hello.protocol;
        if version > PROTOCOL {
            return Err(HelloError::Newer(version));
        }
        serde_json::from_slice::<Greeting>(&text).map(|greeting| greeting.hello).map_err(garbage)
    }

    /// Asks without waiting for the answer.
    pub(super) fn ask(&mut self, request: &Request) {
        // A connection that is closed shows when the answer is waited for.
        let _ = self.socket.write_all(&line(request));
    }

    /// Waits for an answer, which is never [`Answer::Refused`].
    pub(super) fn answer(&mut self, limit: Duration) -> Result<Answer, ChildError> {
        let text = self.line(limit)?;
        match serde_json::from_slice(&text) {
            Ok(Answer::Refused { reason }) => Err(ChildError::Refused(reason)),
            Ok(answer) => Ok(answer),
            Err(error) => Err(ChildError::Garbage(error.to_string())),
        }
    }

    /// The next line, without its end.
    fn line(&mut self, limit: Duration) -> Result<Vec<u8>, ChildError> {
        let begin = Instant::now();
        let mut piece = [0; 16 << 10];
        loop {
            if let Some(end) = self.received.iter().position(|&byte| byte == b'\n') {
                let rest = self.received.split_off(end + 1);
                let mut text = std::mem::replace(&mut self.received, rest);
                text.pop();
                return Ok(text);
            }
            if self.received.len() > LINE_LIMIT_BYTES {
                return Err(ChildError::Garbage(format!("a line longer than {LINE_LIMIT_BYTES} bytes")));
            }
            match self.socket.read(&mut piece) {
                Ok(0) => return Err(self.death()),
                Ok(read) => self.received.extend_from_slice(&piece[..read]),
                Err(error) if is_temporary(&error) => {
                    if interrupt::requested() {
                        return Err(ChildError::Interrupted);
                    }
                    if begin.elapsed() >= limit {
                        return Err(ChildError::Silent(limit));
                    }
                    // What it started may hold the socket open after it. What it sent before it ended comes first.
                    if self.has_ended() && matches!(self.read_rest(), Ok(0) | Err(_)) {
                        return Err(self.death());
                    }
                }
                Err(_) => return Err(self.death()),
            }
        }
    }

    fn read_rest(&mut self) -> io::Result<usize> {
        let mut piece = [0; 16 << 10];
        let read = self.socket.read(&mut piece)?;
        self.received.extend_from_slice(&piece[..read]);
        Ok(read)
    }

    /// Whether the process ended. It is left unreaped, so that its number, which names its group too, cannot pass to a
    /// stranger before the group is killed.
    fn has_ended(&self) -> bool {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        !matches!(waitid(Id::Pid(self.pid()), flags), Ok(WaitStatus::StillAlive))
    }

    /// How it ended, or that it closed its connection.
    fn death(&mut self) -> ChildError {
        let begin = Instant::now();
        while !self.has_ended() && begin.elapsed() < GRACE {
            thread::sleep(Duration::from_millis(1));
        }
        let ended = self.has_ended();
        let how = match self.end().filter(|_| ended) {
            Some(status) => describe(status),
            None => "it closed its connection and lived on".to_owned(),
        };
        ChildError::Died { how, printed: self.tail() }
    }

    /// Kills it and what it started. It may be stuck in a driver, and is then left behind.
    fn end(&mut self) -> Option<ExitStatus> {
        if self.reaped.is_none() {
            // Fails only if nothing is left to be killed.
            let _ = killpg(self.pid(), Signal::SIGKILL);
            let begin = Instant::now();
            while matches!(self.process.try_wait(), Ok(None)) && begin.elapsed() < GRACE {
                thread::sleep(Duration::from_micros(200));
            }
            self.reaped = Some(self.process.try_wait().ok().flatten());
        }
        self.reaped.flatten()
    }

    fn pid(&self) -> Pid {
        // Linux keeps process identifiers below 2^22.
        Pid::from_raw(self.process.id() as i32)
    }

    /// The end of what it printed, as far as that is known.
    fn tail(&mut self) -> String {
        let mut bytes = Vec::new();
        let mut read = || -> io::Result<()> {
            let length = self.printed.seek(SeekFrom::End(0))?;
            self.printed.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
            self.printed.read_to_end(&mut bytes).map(drop)
        };
        // It is only an explanation: without it there still is the status.
        let _ = read();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.signal().map(Signal::try_from), status.code()) {
        (Some(Ok(signal)), _) => signal.as_str().to_owned(),
        (Some(Err(_)), _) => format!("signal {}", status.signal().unwrap_or_default()),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => "no status".to_owned(),
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
