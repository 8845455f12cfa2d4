//! One message to and from each other rank, all at the same time.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use super::message::Header;
use crate::communicator::{Announcement, Cause, CommunicatorError, Loss};

/// How long a referee is given to say what became of a rank whose connection broke, and other ranks to say that they do
/// something else.
pub(super) const GRACE: Duration = Duration::from_millis(500);

/// The most bytes that go one way in one go, so that deadline and referee are asked in between.
const PORTION_BYTES: usize = 1 << 20;

/// What is left to be said to and heard from one other rank.
pub(super) struct Exchange<'a> {
    /// The other rank.
    pub(super) peer: usize,
    /// The stream to it, which does not block.
    stream: &'a mut TcpStream,
    /// What is still to be sent: the header and each piece.
    unsent: Vec<&'a [u8]>,
    header: [u8; Header::BYTES],
    header_read: usize,
    /// What is still to be received after the header.
    unread: &'a mut [u8],
    broken: bool,
}

impl<'a> Exchange<'a> {
    /// `header` and `pieces` are to be sent, and a header and so many bytes received.
    pub(super) fn new(
        peer: usize,
        stream: &'a mut TcpStream,
        header: &'a [u8; Header::BYTES],
        pieces: impl IntoIterator<Item = &'a [u8]>,
        received: &'a mut [u8],
    ) -> Self {
        let mut unsent: Vec<&[u8]> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        unsent.insert(0, header);
        unsent.reverse();
        Self { peer, stream, unsent, header: [0; Header::BYTES], header_read: 0, unread: received, broken: false }
    }

    fn is_heard(&self) -> bool {
        self.header_read == Header::BYTES && self.unread.is_empty()
    }

    fn is_done(&self) -> bool {
        self.unsent.is_empty() && self.is_heard()
    }

    /// Sends what the stream takes; whether that was anything.
    fn send(&mut self) -> io::Result<bool> {
        let mut sent = 0;
        while let Some(piece) = self.unsent.last_mut()
            && sent < PORTION_BYTES
        {
            match progress(self.stream.write(piece))? {
                None => break,
                Some(count) => {
                    sent += count;
                    *piece = &piece[count..];
                    if piece.is_empty() {
                        self.unsent.pop();
                    }
                }
            }
        }
        Ok(sent > 0)
    }

    /// Receives what has come; whether that was anything.
    fn receive(&mut self, at: Announcement) -> Result<bool, CommunicatorError> {
        let rank = self.peer;
        let refused = |message: String| CommunicatorError::Connection { at, rank, message };
        let mut moved = false;
        if self.header_read < Header::BYTES {
            let read = progress(self.stream.read(&mut self.header[self.header_read..]));
            let Some(count) = read.map_err(|error| refused(error.to_string()))? else { return Ok(false) };
            moved = true;
            self.header_read += count;
            if self.header_read < Header::BYTES {
                return Ok(true);
            }
            let Header { announcement: came_to, bytes } =
                Header::decode(&self.header).ok_or_else(|| refused("it sends what no rank sends".into()))?;
            if came_to != at {
                return Err(Loss { rank, cause: Cause::Differs { came_to }, at }.into());
            }
            if bytes != self.unread.len() as u64 {
                return Err(refused(format!("it sends {bytes} bytes where {} are received", self.unread.len())));
            }
        }
        let mut received = 0;
        while !self.unread.is_empty() && received < PORTION_BYTES {
            let read = progress(self.stream.read(self.unread));
            let Some(count) = read.map_err(|error| refused(error.to_string()))? else { break };
            received += count;
            self.unread = &mut std::mem::take(&mut self.unread)[count..];
        }
        Ok(moved || received > 0)
    }
}

/// How much was moved; `None` where the stream would block.
fn progress(outcome: io::Result<usize>) -> io::Result<Option<usize>> {
    match outcome {
        Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it was closed by the other side")),
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(None),
        Err(error) => Err(error),
    }
}

/// All exchanges of one step.
pub(super) struct Conversation<'a> {
    at: Announcement,
    exchanges: Vec<Exchange<'a>>,
    /// The first connection that broke, and when that was seen.
    failure: Option<(Instant, CommunicatorError)>,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(at: Announcement, exchanges: Vec<Exchange<'a>>) -> Self {
        Self { at, exchanges, failure: None }
    }

    /// Moves what can be moved now; something once all is done. A broken connection is an error only after a while in
    /// which nobody knew better: a rank that does something else is told from one that left because of it.
    pub(super) fn attempt(&mut self) -> Result<Option<()>, CommunicatorError> {
        let mut moved = false;
        // First all are told what this rank does: what is heard next may be the last that it does.
        for exchange in self.exchanges.iter_mut().filter(|exchange| !exchange.unsent.is_empty()) {
            match exchange.send() {
                Ok(sent) => moved |= sent,
                Err(error) => {
                    exchange.unsent.clear();
                    let (at, rank, message) = (self.at, exchange.peer, error.to_string());
                    let error = CommunicatorError::Connection { at, rank, message };
                    self.failure.get_or_insert((Instant::now(), error));
                }
            }
        }
        // Also where nothing can be sent: what the rank said before it left is still to be read.
        for exchange in self.exchanges.iter_mut().filter(|exchange| !exchange.broken && !exchange.is_heard()) {
            match exchange.receive(self.at) {
                Ok(received) => moved |= received,
                Err(error @ CommunicatorError::Connection { .. }) => {
                    exchange.broken = true;
                    self.failure.get_or_insert((Instant::now(), error));
                }
                Err(error) => return Err(error),
            }
        }
        if let Some((_, failure)) = self.failure.take_if(|(since, _)| since.elapsed() > GRACE) {
            return Err(failure);
        }
        if self.failure.is_none() && self.exchanges.iter().all(Exchange::is_done) {
            return Ok(Some(()));
        }
        if !moved {
            // There may be more ranks than processors.
            std::thread::yield_now();
        }
        Ok(None)
    }
}
