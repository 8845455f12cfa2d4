//! Reads a record log, whatever has happened to it.
//!
//! No content of the file is fatal, save a version that this program is too old for. What was acknowledged and is
//! intact is returned; what is not intact is reported with its place; what was being written when the writer died is
//! reported apart, because a torn tail is nobody's loss.

use std::{
    collections::HashSet,
    fmt, fs,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    frame::{self, BadLine, FORMAT, Frame},
    record::Record,
    storage::StorageError,
};

/// What a log holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogContents {
    /// The intact records, in the order of the file.
    pub records: Vec<Record>,
    /// What is wrong with lines that have intact lines after them, and with the numbering.
    pub damage: Vec<Damage>,
    /// What follows the last intact line.
    pub torn_tail: Option<TornTail>,
    /// The number that the next record gets.
    pub next_sequence: u64,
}

impl LogContents {
    /// Everything that is wrong with the log, for people; empty if it is whole.
    pub fn findings(&self) -> Vec<String> {
        let damage = self.damage.iter().map(ToString::to_string);
        damage.chain(self.torn_tail.iter().map(ToString::to_string)).collect()
    }
}

/// Bytes after the last intact line: what a writer was writing when it died.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TornTail {
    /// Where it begins, in bytes from the start of the file.
    pub offset: u64,
    /// How long it is, in bytes.
    pub bytes: u64,
    /// How many of its lines are complete. A kill leaves none; a power cut can, and so can damage to the last records.
    pub complete_lines: u64,
}

impl fmt::Display for TornTail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "torn tail: {} bytes at byte {}", self.bytes, self.offset)?;
        if self.complete_lines > 0 {
            write!(formatter, ", with {} complete but damaged lines", self.complete_lines)?;
        }
        Ok(())
    }
}

/// Something wrong before the last intact line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The line, counted from 1.
    pub line: u64,
    /// Where the line begins, in bytes from the start of the file.
    pub offset: u64,
    /// What is wrong.
    pub kind: DamageKind,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DamageKind {
    /// Its bytes are not those that were written. The record is lost.
    Corrupt(String),
    /// Its bytes are intact, but this program cannot understand them. The record is left out.
    NotARecord(String),
    /// Records are missing in front of it.
    Gap {
        /// The sequence number that should stand here.
        expected: u64,
        /// The one that does.
        found: u64,
    },
    /// A record of this sequence number came before; this one is left out.
    Repeated(u64),
    /// A record that belongs further up.
    OutOfOrder(u64),
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {} (byte {}): ", self.line, self.offset)?;
        match &self.kind {
            DamageKind::Corrupt(reason) => write!(formatter, "corrupt: {reason}"),
            DamageKind::NotARecord(reason) => write!(formatter, "intact, but not a record: {reason}"),
            DamageKind::Gap { expected, found } => {
                write!(formatter, "records are missing: number {found} stands where {expected} should")
            }
            DamageKind::Repeated(sequence) => write!(formatter, "record {sequence} is there twice"),
            DamageKind::OutOfOrder(sequence) => write!(formatter, "record {sequence} is out of order"),
        }
    }
}

/// Why a log cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A later version of this program wrote it.
    #[error(
        "`{path}`, line {line}: format {found} is newer than {FORMAT}, the newest that this program reads; \
         use the version of the program that wrote it, or a later one",
        path = path.display()
    )]
    NewerFormat {
        /// The log.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// Its format.
        found: u32,
    },
}

/// Reads a record log. The writer may be at work: what it has not finished is a torn tail.
pub fn read_log(path: &Path) -> Result<LogContents, LogError> {
    let bytes = fs::read(path).map_err(StorageError::at("read", path))?;
    parse_log(&bytes).map_err(|newer| newer.at(path))
}

/// A line of a version that this program does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NewerLine {
    line: u64,
    found: u32,
}

impl NewerLine {
    /// The error for the log at this path.
    pub(super) fn at(self, path: &Path) -> LogError {
        LogError::NewerFormat { path: path.to_owned(), line: self.line, found: self.found }
    }
}

/// Reads the bytes of a log.
pub(super) fn parse_log(bytes: &[u8]) -> Result<LogContents, NewerLine> {
    let mut reader = Reader::default();
    let mut offset = 0;
    for (line, text) in (1..).zip(bytes.split_inclusive(|&byte| byte == b'\n')) {
        let place = Place { line, offset };
        match text.strip_suffix(b"\n") {
            None => reader.damaged(place, "the line has no end".to_owned(), false),
            Some(text) => match frame::decode(text) {
                Ok(Frame { sequence, record }) => reader.record(place, sequence, record),
                Err(BadLine::Damaged(reason)) => reader.damaged(place, reason, true),
                Err(BadLine::NotARecord { sequence, reason }) => reader.not_a_record(place, sequence, reason),
                Err(BadLine::Newer(found)) => return Err(NewerLine { line, found }),
            },
        }
        offset += text.len() as u64;
    }
    Ok(reader.finish(offset))
}

#[derive(Clone, Copy)]
struct Place {
    line: u64,
    offset: u64,
}

impl Place {
    fn damage(self, kind: DamageKind) -> Damage {
        Damage { line: self.line, offset: self.offset, kind }
    }
}

#[derive(Default)]
struct Reader {
    contents: LogContents,
    seen: HashSet<u64>,
    /// Damaged lines since the last intact one: a torn tail, unless an intact line follows.
    pending: Vec<Damage>,
    pending_complete: u64,
}

impl Reader {
    fn damaged(&mut self, place: Place, reason: String, complete: bool) {
        self.pending.push(place.damage(DamageKind::Corrupt(reason)));
        self.pending_complete += u64::from(complete);
    }

    fn record(&mut self, place: Place, sequence: u64, record: Record) {
        if self.intact(place, sequence) {
            self.contents.records.push(record);
        }
    }

    fn not_a_record(&mut self, place: Place, sequence: u64, reason: String) {
        if self.intact(place, sequence) {
            self.contents.damage.push(place.damage(DamageKind::NotARecord(reason)));
        }
    }

    /// Takes note of an intact line; false if there was one of its number before.
    fn intact(&mut self, place: Place, sequence: u64) -> bool {
        // Damaged lines had numbers too, and damage to a newline joins or splits lines: any gap behind them is theirs.
        let gap_is_explained = !self.pending.is_empty();
        self.contents.damage.append(&mut self.pending);
        self.pending_complete = 0;

        let first_of_its_number = self.seen.insert(sequence);
        let expected = self.contents.next_sequence;
        if !first_of_its_number {
            self.contents.damage.push(place.damage(DamageKind::Repeated(sequence)));
        } else if sequence < expected {
            self.contents.damage.push(place.damage(DamageKind::OutOfOrder(sequence)));
        } else if sequence > expected && !gap_is_explained {
            self.contents.damage.push(place.damage(DamageKind::Gap { expected, found: sequence }));
        }
        self.contents.next_sequence = expected.max(sequence.saturating_add(1));
        first_of_its_number
    }

    fn finish(mut self, end: u64) -> LogContents {
        self.contents.torn_tail = self.pending.first().map(|first| TornTail {
            offset: first.offset,
            bytes: end - first.offset,
            complete_lines: self.pending_complete,
        });
        self.contents
    }
}
