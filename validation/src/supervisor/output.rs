//! What a worker prints: drained so that it never blocks, its end kept for crash reports.

use std::{
    collections::VecDeque,
    io::{self, PipeReader, Read, Write},
    os::fd::{AsFd, BorrowedFd},
};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// How much of a worker's output is kept, in bytes: a panic with its backtrace fits.
pub(crate) const TAIL_BYTES: usize = 16 << 10;

/// How much one call of [`Output::drain`] reads at most, so that a flood of output cannot hold off a deadline.
const DRAIN_BYTES: usize = 1 << 20;

/// The reading end of a worker's standard output and standard error, which are one pipe.
pub(crate) struct Output {
    /// `None` once no process has the other end any more.
    pipe: Option<PipeReader>,
    tail: Tail,
    forward: bool,
}

impl Output {
    /// Takes over `pipe`. With `forward`, what comes out of it also goes to standard error at once.
    pub(crate) fn new(pipe: PipeReader, forward: bool) -> io::Result<Self> {
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Self { pipe: Some(pipe), tail: Tail::default(), forward })
    }

    /// What to poll for input, while there is anything to come.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Reads what there is, without waiting for more.
    pub(crate) fn drain(&mut self) {
        let Some(pipe) = &mut self.pipe else { return };
        let mut piece = [0; 16 << 10];
        let mut drained = 0;
        while drained < DRAIN_BYTES {
            match pipe.read(&mut piece) {
                Ok(read) if read > 0 => {
                    self.tail.push(&piece[..read]);
                    if self.forward {
                        // Nobody can be told that standard error is closed.
                        let _ = io::stderr().write_all(&piece[..read]);
                    }
                    drained += read;
                    // A pipe that filled less than the buffer is empty: no need to ask again.
                    if read < piece.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => {
                    self.pipe = None;
                    return;
                }
            }
        }
    }

    /// Forgets what was printed so far: a new cell begins.
    pub(crate) fn forget(&mut self) {
        self.drain();
        self.tail.0.clear();
    }

    /// The end of what was printed since [`Output::forget`].
    pub(crate) fn tail(&self) -> String {
        self.tail.text()
    }
}

/// The last [`TAIL_BYTES`] of a stream.
#[derive(Default)]
struct Tail(VecDeque<u8>);

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(TAIL_BYTES)..];
        let surplus = (self.0.len() + kept.len()).saturating_sub(TAIL_BYTES);
        self.0.drain(..surplus);
        self.0.extend(kept);
    }

    fn text(&self) -> String {
        let (front, back) = self.0.as_slices();
        String::from_utf8_lossy(&[front, back].concat()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_end_and_bounded_for_pieces_of_any_size() {
        let stream: Vec<u8> = (0..3 * TAIL_BYTES).map(|position| b'a' + (position % 26) as u8).collect();
        for step in [1, 7, TAIL_BYTES - 1, TAIL_BYTES, TAIL_BYTES + 1, stream.len()] {
            let mut tail = Tail::default();
            for piece in stream.chunks(step) {
                tail.push(piece);
                assert!(tail.0.len() <= TAIL_BYTES);
            }
            assert_eq!(tail.text().as_bytes(), &stream[stream.len() - TAIL_BYTES..], "pieces of {step}");
        }
    }

    #[test]
    fn draining_never_waits_and_ends_with_the_pipe() {
        let (reader, mut writer) = io::pipe().unwrap();
        let mut output = Output::new(reader, false).unwrap();
        output.drain();
        assert_eq!(output.tail(), "");
        writer.write_all(b"before").unwrap();
        output.forget();
        writer.write_all("caf\u{e9}".as_bytes()).unwrap();
        output.drain();
        assert_eq!(output.tail(), "caf\u{e9}");
        drop(writer);
        output.drain();
        assert!(output.descriptor().is_none());
        assert_eq!(output.tail(), "caf\u{e9}");
    }
}
