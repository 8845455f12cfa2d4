//! What a supervisor and its workers say to each other.
//!
//! A message is a little-endian `u32` length and that many bytes of JSON. The supervisor holds one end of a socket
//! pair; the worker has the other as its standard input, so that anything the code under test prints cannot be
//! mistaken for a message.
//!
//! A worker says [`Response::Ready`] once, then answers each [`Request`] with exactly one other [`Response`].

use std::{
    io::{self, Read, Write},
    path::PathBuf,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    cell::Cell,
    dataset::DatasetSpec,
    observation::{Observation, OutputHashes},
};

/// The longest message that either side accepts, in bytes.
pub const MESSAGE_LIMIT_BYTES: usize = 16 << 20;

/// Bytes of the length that stands before each message.
const HEADER_BYTES: usize = size_of::<u32>();

/// From the supervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Execute this cell.
    Execute {
        /// The cell.
        cell: Box<Cell>,
        /// What comes with it.
        attached: Attached,
    },
    /// Run the cell plainly once and answer with its output hashes: the fresh process of the determinism suite.
    Digest {
        /// The cell.
        cell: Box<Cell>,
        /// What comes with it.
        attached: Attached,
    },
    /// Leave an exhibit of the cell's inputs, without running the code under test: it took the last worker down.
    Exhibit {
        /// The cell.
        cell: Box<Cell>,
        /// What comes with it.
        attached: Attached,
    },
}

/// What comes with a cell: files that are too large for the wire, by their paths.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Attached {
    /// Its recorded input, if it has one, with the file resolved.
    pub recording: Option<Recording>,
    /// The file of its golden, if its input is one.
    pub golden: Option<PathBuf>,
    /// The bundle whose inputs it is executed on, where that holds any.
    pub inputs: Option<GivenInputs>,
    /// Where the worker leaves the tensors behind a failure.
    pub exhibit: Option<PathBuf>,
}

/// A bundle as a worker gets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenInputs {
    /// Where it lies.
    pub path: PathBuf,
    /// BLAKE3 of the file, in hexadecimal: it was read before.
    pub hash: String,
}

/// A recorded input as a worker gets it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// What the matrix says of it.
    pub spec: DatasetSpec,
    /// Where it lies.
    pub path: PathBuf,
}

/// From a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// The worker has confined itself and takes requests. A process that ends before it says so was never a worker:
    /// its end is the harness's failure, not that of the code under test.
    Ready,
    /// What was found.
    Observed(Box<Observation>),
    /// What [`Request::Digest`] asked for.
    Digest(OutputHashes),
    /// [`Request::Exhibit`] was obeyed.
    Exhibited,
    /// The harness could not do what was asked, such as an operator that this program does not know.
    Refused(String),
    /// The cell was not begun, and neither this worker nor another can execute it: the ranks that a launcher started are lost.
    Stranded,
}

/// A message that cannot be sent or received.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// The length is over the limit; nothing was allocated for it.
    #[error("a message of {bytes} bytes exceeds the limit of {MESSAGE_LIMIT_BYTES} bytes")]
    TooLong {
        /// The length announced, or that of the message to be sent.
        bytes: usize,
    },
    /// The bytes are not JSON of the expected type. The next message can still be read.
    #[error("a message of {bytes} bytes is not understood: {source}")]
    Malformed {
        /// The message's length.
        bytes: usize,
        /// What is wrong with it, and where.
        source: serde_json::Error,
    },
    /// The other side closed the connection in the middle of a message.
    #[error("the connection was closed inside a message")]
    Truncated,
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Connection(#[from] io::Error),
}

/// A message as it travels.
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, ProtocolError> {
    let mut frame = vec![0; HEADER_BYTES];
    serde_json::to_writer(&mut frame, message).map_err(io::Error::from)?;
    let bytes = frame.len() - HEADER_BYTES;
    if bytes > MESSAGE_LIMIT_BYTES {
        return Err(ProtocolError::TooLong { bytes });
    }
    frame[..HEADER_BYTES].copy_from_slice(&(bytes as u32).to_le_bytes());
    Ok(frame)
}

/// Sends one message.
pub fn send(mut writer: impl Write, message: &impl Serialize) -> Result<(), ProtocolError> {
    Ok(writer.write_all(&encode(message)?)?)
}

/// Waits for one message; `None` if the other side closed the connection between two messages.
pub fn receive<M: DeserializeOwned>(mut reader: impl Read) -> Result<Option<M>, ProtocolError> {
    let mut header = [0; HEADER_BYTES];
    let mut filled = 0;
    while filled < HEADER_BYTES {
        match reader.read(&mut header[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(ProtocolError::Truncated),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let bytes = announced_length(header)?;
    // Memory grows with what arrives, not with what was announced.
    let mut body = Vec::new();
    reader.take(bytes as u64).read_to_end(&mut body)?;
    if body.len() < bytes {
        return Err(ProtocolError::Truncated);
    }
    decode(&body).map(Some)
}

/// Messages put together from whatever pieces a non-blocking connection delivers.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
}

impl Inbox {
    /// Reads once from `reader`: the number of bytes that came, 0 at the end of the connection.
    ///
    /// Call [`Inbox::take`] until it gives `None` after each read, so that no more than one message piles up.
    pub fn fill(&mut self, mut reader: impl Read) -> io::Result<usize> {
        let mut piece = [0; 8 << 10];
        let read = reader.read(&mut piece)?;
        self.bytes.extend_from_slice(&piece[..read]);
        Ok(read)
    }

    /// Takes the next complete message out, if there is one. A length over the limit is refused before its bytes come.
    pub fn take<M: DeserializeOwned>(&mut self) -> Result<Option<M>, ProtocolError> {
        let Some((header, rest)) = self.bytes.split_first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let bytes = announced_length(*header)?;
        let Some(body) = rest.get(..bytes) else { return Ok(None) };
        let message = decode(body);
        self.bytes.drain(..HEADER_BYTES + bytes);
        message.map(Some)
    }

    /// Whether nothing was received beyond the messages taken out.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

fn announced_length(header: [u8; HEADER_BYTES]) -> Result<usize, ProtocolError> {
    let bytes = u32::from_le_bytes(header) as usize;
    if bytes > MESSAGE_LIMIT_BYTES { Err(ProtocolError::TooLong { bytes }) } else { Ok(bytes) }
}

fn decode<M: DeserializeOwned>(body: &[u8]) -> Result<M, ProtocolError> {
    serde_json::from_slice(body).map_err(|source| ProtocolError::Malformed { bytes: body.len(), source })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives out bytes a few at a time and notes the largest buffer that the receiver had ready for them.
    struct Dribble<'a> {
        bytes: &'a [u8],
        step: usize,
        largest_buffer: usize,
    }

    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.largest_buffer = self.largest_buffer.max(buffer.len());
            let length = self.step.min(buffer.len());
            self.bytes.read(&mut buffer[..length])
        }
    }

    fn message() -> impl Strategy<Value = Response> {
        prop_oneof![
            Just(Response::Ready),
            ".*".prop_map(Response::Refused),
            proptest::collection::vec((".*", "[0-9a-f]{64}"), 0..4).prop_map(Response::Digest),
        ]
    }

    proptest! {
        #[test]
        fn random_bytes_are_refused_without_panic_or_large_allocation(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            step in 1_usize..50,
        ) {
            let mut reader = Dribble { bytes: &bytes, step, largest_buffer: 0 };
            // JSON of a request cannot come about by chance, so whatever these bytes are, they are no message.
            let received = receive::<Request>(&mut reader);
            prop_assert_eq!(matches!(received, Ok(None)), bytes.is_empty());
            prop_assert!(matches!(received, Ok(None) | Err(_)));
            prop_assert!(reader.largest_buffer <= 64 << 10, "{} bytes", reader.largest_buffer);

            let mut reader = Dribble { bytes: &bytes, step, largest_buffer: 0 };
            let mut inbox = Inbox::default();
            while inbox.fill(&mut reader).unwrap() > 0 {
                match inbox.take::<Request>() {
                    Ok(message) => prop_assert_eq!(message, None),
                    Err(_) => break,
                }
            }
            prop_assert!(inbox.bytes.capacity() <= 64 << 10);
        }

        #[test]
        fn messages_survive_any_fragmentation(
            messages in proptest::collection::vec(message(), 0..5),
            step in 1_usize..300,
        ) {
            let stream: Vec<u8> = messages.iter().flat_map(|message| encode(message).unwrap()).collect();

            let mut reader = Dribble { bytes: &stream, step, largest_buffer: 0 };
            let mut blocking = Vec::new();
            while let Some(message) = receive::<Response>(&mut reader).unwrap() {
                blocking.push(message);
            }
            prop_assert_eq!(&blocking, &messages);

            let mut reader = Dribble { bytes: &stream, step, largest_buffer: 0 };
            let mut inbox = Inbox::default();
            let mut pieced = Vec::new();
            while inbox.fill(&mut reader).unwrap() > 0 {
                while let Some(message) = inbox.take::<Response>().unwrap() {
                    pieced.push(message);
                }
            }
            prop_assert_eq!(&pieced, &messages);
            prop_assert!(inbox.is_empty());
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_anything_is_allocated() {
        let announced = (MESSAGE_LIMIT_BYTES + 1) as u32;
        let mut reader = Dribble { bytes: &announced.to_le_bytes(), step: 4, largest_buffer: 0 };
        let error = receive::<Response>(&mut reader).unwrap_err();
        assert!(matches!(error, ProtocolError::TooLong { bytes } if bytes == announced as usize), "{error}");
        assert_eq!(reader.largest_buffer, HEADER_BYTES);

        let mut inbox = Inbox::default();
        inbox.fill(&announced.to_le_bytes()[..]).unwrap();
        assert!(matches!(inbox.take::<Response>(), Err(ProtocolError::TooLong { .. })));
    }

    #[test]
    fn a_message_over_the_limit_is_not_sent() {
        let mut sent = Vec::new();
        let error = send(&mut sent, &Response::Refused("x".repeat(MESSAGE_LIMIT_BYTES))).unwrap_err();
        assert!(matches!(error, ProtocolError::TooLong { .. }), "{error}");
        assert!(sent.is_empty());
    }

    #[test]
    fn the_end_inside_a_message_is_told_from_the_end_between_two() {
        let frame = encode(&Response::Ready).unwrap();
        for length in 1..frame.len() {
            assert!(matches!(receive::<Response>(&frame[..length]), Err(ProtocolError::Truncated)), "{length}");
        }
        assert!(matches!(receive::<Response>(&frame[..0]), Ok(None)));
    }

    #[test]
    fn the_message_after_a_malformed_one_is_read() {
        let mut inbox = Inbox::default();
        inbox.fill(&[2, 0, 0, 0, b'{', b'{'][..]).unwrap();
        inbox.fill(&encode(&Response::Ready).unwrap()[..]).unwrap();
        assert!(matches!(inbox.take::<Response>(), Err(ProtocolError::Malformed { bytes: 2, .. })));
        assert_eq!(inbox.take().unwrap(), Some(Response::Ready));
    }
}
