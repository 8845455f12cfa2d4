//! The leader's end of one connection: what comes is taken and what goes is sent as far as it can be, and nobody waits.

use std::{
    io::{self, Write},
    net::TcpStream,
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::{Serialize, de::DeserializeOwned};

use crate::protocol::{Inbox, encode};

/// A connection that does not block.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    inbox: Inbox,
    unsent: Vec<u8>,
    /// Why nothing more will come.
    closed: Option<String>,
    heard: Instant,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        // Messages are short, and each is waited for.
        stream.set_nodelay(true)?;
        Ok(Self { stream, inbox: Inbox::default(), unsent: Vec::new(), closed: None, heard: Instant::now() })
    }

    /// Sends a message, now or when the other side takes it. One that cannot be sent closes the connection.
    pub(super) fn send(&mut self, message: &impl Serialize) {
        match encode(message) {
            Ok(frame) => self.unsent.extend_from_slice(&frame),
            Err(error) => self.close(error.to_string()),
        }
        self.flush();
    }

    /// Sends what could not be sent before.
    pub(super) fn flush(&mut self) {
        while !self.unsent.is_empty() && self.closed.is_none() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What it said before may still be read, which closes the connection in turn.
                Err(_) => self.unsent.clear(),
            }
        }
    }

    /// The next message that has come, if there is one.
    pub(super) fn take<M: DeserializeOwned>(&mut self) -> Option<M> {
        loop {
            match self.inbox.take() {
                Ok(Some(message)) => return Some(message),
                Ok(None) if self.closed.is_some() => return None,
                Ok(None) => {}
                Err(error) => {
                    self.close(error.to_string());
                    return None;
                }
            }
            match self.inbox.fill(&self.stream) {
                Ok(0) => self.close("it was closed".into()),
                Ok(_) => self.heard = Instant::now(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.close(error.to_string()),
            }
        }
    }

    /// Whether nothing more will come.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// When anything came last.
    pub(super) const fn heard(&self) -> Instant {
        self.heard
    }

    /// Nobody listened until now, so that silence before it means nothing.
    pub(super) fn begin_listening(&mut self) {
        self.heard = Instant::now();
    }

    fn close(&mut self, why: String) {
        self.closed.get_or_insert(why);
    }

    /// What is waited for.
    pub(super) fn interest(&self) -> PollFlags {
        if self.unsent.is_empty() { PollFlags::POLLIN } else { PollFlags::POLLIN | PollFlags::POLLOUT }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Waits until one of these has something to say or can be written to.
pub(super) fn wait<'a>(
    connections: impl Iterator<Item = &'a Connection>,
    besides: Option<BorrowedFd<'a>>,
    limit: Duration,
) {
    let besides = besides.map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN));
    let open = connections.filter(|connection| !connection.is_closed());
    let mut descriptors: Vec<_> =
        open.map(|connection| PollFd::new(connection.as_fd(), connection.interest())).chain(besides).collect();
    let limit = PollTimeout::from(limit.as_millis().clamp(1, 1000) as u16);
    // An interrupted wait is a short one.
    let _ = poll(&mut descriptors, limit);
}
