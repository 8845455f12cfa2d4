//! What a supervisor and its workers say to each other.
//!
//! A message is a little-endian `u32` length and that many bytes of JSON. The supervisor holds one end of a socket
//! pair; the worker has the other as its standard input, so that anything the code under test prints cannot be
//! mistaken for a message.

use std::{
    io::{self, Read, Write},
    path::PathBuf,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{cell::Cell, dataset::DatasetSpec, observation::Observation};

/// The longest message that either side accepts, in bytes.
pub const MESSAGE_LIMIT_BYTES: usize = 16 << 20;

/// From the supervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Execute this cell.
    Execute {
        /// The cell.
        cell: Box<Cell>,
        /// Its recorded input, if it has one, with the file resolved.
        recording: Option<Recording>,
    },
    /// Run the cell plainly once and answer with its output hashes: the fresh process of the determinism suite.
    Digest {
        /// The cell.
        cell: Box<Cell>,
        /// Its recorded input.
        recording: Option<Recording>,
    },
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
    /// What was found.
    Observed(Box<Observation>),
    /// BLAKE3 of each output, in hexadecimal, by the output's name.
    Digest(Vec<(String, String)>),
    /// The harness could not do what was asked, such as an operator that this program does not know.
    Refused(String),
}

/// Sends one message.
pub fn send(mut writer: impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)?;
    let length = frame.len() - 4;
    if length > MESSAGE_LIMIT_BYTES {
        return Err(io::Error::other(format!(
            "a message of {length} bytes exceeds the limit of {MESSAGE_LIMIT_BYTES}"
        )));
    }
    frame[..4].copy_from_slice(&(length as u32).to_le_bytes());
    writer.write_all(&frame)
}

/// Receives one message; `None` if the other side closed the connection between two messages.
pub fn receive<M: DeserializeOwned>(mut reader: impl Read) -> io::Result<Option<M>> {
    let mut length = [0; 4];
    match reader.read(&mut length)? {
        0 => return Ok(None),
        read => reader.read_exact(&mut length[read..])?,
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MESSAGE_LIMIT_BYTES {
        return Err(io::Error::other(format!(
            "a message of {length} bytes exceeds the limit of {MESSAGE_LIMIT_BYTES}"
        )));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(serde_json::from_slice(&body)?))
}
