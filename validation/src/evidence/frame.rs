//! One line of the record log: a record between a version, a sequence number and a checksum.
//!
//! ```text
//! {"format":1,"sequence":17,"checksum":"<64 hexadecimal digits>","record":{...}}
//! ```
//!
//! The checksum is BLAKE3 of `"1 17 "` followed by the exact bytes of the record: version and sequence number are
//! covered too, so that no flipped bit anywhere in a line goes unseen.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::record::Record;

/// The version of the line format, and of what a record holds.
pub(super) const FORMAT: u32 = 1;

/// A line that was read and verified.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) sequence: u64,
    pub(super) record: Record,
}

/// Why a line is no record.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum BadLine {
    /// Its bytes are not those that were written.
    Damaged(String),
    /// Its bytes are intact, but they do not hold a record of this format.
    NotARecord { sequence: u64, reason: String },
    /// A later version of this program wrote it.
    Newer(u32),
}

#[derive(Deserialize)]
struct RawFrame<'line> {
    format: u32,
    sequence: u64,
    checksum: &'line str,
    #[serde(borrow)]
    record: &'line RawValue,
}

/// What every version of a line has.
#[derive(Deserialize)]
struct AnyFrame {
    format: u32,
}

/// The line that holds this record, its newline included. `body` is the record as JSON.
pub(super) fn encode(sequence: u64, body: &str, line: &mut Vec<u8>) {
    let checksum = checksum(sequence, body);
    line.extend_from_slice(
        format!(r#"{{"format":{FORMAT},"sequence":{sequence},"checksum":"{checksum}","record":"#).as_bytes(),
    );
    line.extend_from_slice(body.as_bytes());
    line.extend_from_slice(b"}\n");
}

/// Reads a line, given without its newline.
pub(super) fn decode(line: &[u8]) -> Result<Frame, BadLine> {
    let raw: RawFrame<'_> = match serde_json::from_slice(line) {
        Ok(raw) => raw,
        Err(error) => return Err(newer(line).unwrap_or_else(|| BadLine::Damaged(format!("not a frame: {error}")))),
    };
    let body = raw.record.get();
    // The bytes must be exactly those that `encode` makes. A checksum over the parts alone would let a flipped bit in
    // a key or between the parts pass.
    let mut expected = Vec::with_capacity(line.len() + 1);
    encode(raw.sequence, body, &mut expected);
    if expected.strip_suffix(b"\n") != Some(line) {
        // A damaged version number is damage, not a newer version: the rest of the line still proves what it was.
        let intact_otherwise = raw.checksum == checksum(raw.sequence, body).to_hex().as_str();
        if raw.format > FORMAT && !intact_otherwise {
            return Err(BadLine::Newer(raw.format));
        }
        return Err(BadLine::Damaged("its checksum does not match".to_owned()));
    }
    match serde_json::from_str(body) {
        Ok(record) => Ok(Frame { sequence: raw.sequence, record }),
        Err(error) => Err(BadLine::NotARecord { sequence: raw.sequence, reason: error.to_string() }),
    }
}

/// The version of a line that is no frame of ours, if it is JSON of a later one.
fn newer(line: &[u8]) -> Option<BadLine> {
    let frame: AnyFrame = serde_json::from_slice(line).ok()?;
    (frame.format > FORMAT).then_some(BadLine::Newer(frame.format))
}

fn checksum(sequence: u64, body: &str) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("{FORMAT} {sequence} ").as_bytes());
    hasher.update(body.as_bytes());
    hasher.finalize()
}
