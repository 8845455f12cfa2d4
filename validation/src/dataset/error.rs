//! Why a recording cannot be used.

use std::{fmt, path::PathBuf};

use super::nanoseconds::in_seconds;

/// A recording that cannot be used, and where in which file the reason lies.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}{flaw}", .file.display())]
pub struct DatasetError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub flaw: Flaw,
}

impl DatasetError {
    /// A stable word for the kind of fault, such as `truncated`.
    pub fn kind(&self) -> &'static str {
        self.flaw.fault.kind()
    }
}

/// A fault and its place, before the file's name is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Flaw {
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub fault: Fault,
}

impl Flaw {
    /// The same flaw, in this file.
    pub fn in_file(self, file: impl Into<PathBuf>) -> DatasetError {
        DatasetError { file: file.into(), flaw: self }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::File => write!(formatter, ": {}", self.fault),
            Place::Line(line) => write!(formatter, ":{line}: {}", self.fault),
            Place::Byte(byte) => write!(formatter, ": byte {byte}: {}", self.fault),
        }
    }
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole, or what the matrix says of it.
    File,
    /// A line, counted from 1.
    Line(u64),
    /// A byte, counted from 0.
    Byte(u64),
}

impl Place {
    /// This fault, here.
    pub(super) fn holds(self, fault: Fault) -> Flaw {
        Flaw { place: self, fault }
    }
}

/// What is wrong with a recording.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Fault {
    /// There is no such file.
    #[error("there is no such file; put it there, or name another folder with --data")]
    Missing,
    /// The operating system does not let us read it.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// The matrix names a file outside the data folder.
    #[error("is not inside the data folder; `file` must be a relative path without `..`")]
    OutsideDataFolder,
    /// A limit is exceeded.
    #[error("has {found} {what}, more than the limit of {limit}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there is, at least.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// The file does not begin as its format says.
    #[error("begins with {found}, but a PLY file begins with the line `ply`")]
    WrongMagic {
        /// The first bytes.
        found: String,
    },
    /// The file ends too early.
    #[error("is cut off: {0}")]
    Truncated(String),
    /// The file breaks the syntax of its format.
    #[error("{0}")]
    Malformed(String),
    /// A row does not have the columns that it must have, or the file lacks a column.
    #[error("{0}")]
    WrongColumns(String),
    /// The recording has no sample.
    #[error("has no sample, but at least one is needed")]
    Empty,
    /// A time is not a finite number.
    #[error("the time `{0}` is not a finite number")]
    NanTime(String),
    /// A time has digits below one nanosecond.
    #[error("the time `{0}` has digits finer than a nanosecond; round the times to nanoseconds")]
    TimeTooFine(String),
    /// A time is earlier than the one before it.
    #[error("the time {later} ns comes after {earlier} ns, but times must not decrease")]
    DecreasingTimes {
        /// The time before, in nanoseconds.
        earlier: i64,
        /// The offending time, in nanoseconds.
        later: i64,
    },
    /// f32 seconds cannot tell the samples apart well enough.
    #[error(
        "{what} {} s and {} s are {} s apart, but f32 seconds of that size are {spacing} s apart; use `times: i64` \
         (nanoseconds), or subtract an origin from the times of the recording",
        in_seconds(*.earlier), in_seconds(*.later), in_seconds(.later.saturating_sub(*.earlier))
    )]
    TimesLoseResolution {
        /// Which times.
        what: &'static str,
        /// The earlier time in nanoseconds.
        earlier: i64,
        /// The later time in nanoseconds.
        later: i64,
        /// The distance between neighbouring f32 values there, in seconds.
        spacing: f32,
    },
    /// What the matrix says of the recording makes no problem.
    #[error("in the matrix, {0}")]
    WrongSpecification(String),
}

impl Fault {
    /// A stable word for it, which `expect` in the matrix and records use.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unreadable(_) => "unreadable",
            Self::OutsideDataFolder => "outside_data_folder",
            Self::TooLarge { .. } => "too_large",
            Self::WrongMagic { .. } => "wrong_magic",
            Self::Truncated(_) => "truncated",
            Self::Malformed(_) => "malformed",
            Self::WrongColumns(_) => "wrong_columns",
            Self::Empty => "empty",
            Self::NanTime(_) => "nan_time",
            Self::TimeTooFine(_) => "time_too_fine",
            Self::DecreasingTimes { .. } => "decreasing_times",
            Self::TimesLoseResolution { .. } => "times_lose_resolution",
            Self::WrongSpecification(_) => "wrong_specification",
        }
    }
}

/// `text` in backquotes, cut to a length that fits a diagnostic, with control characters escaped.
pub(super) fn quoted(text: &[u8]) -> String {
    const LONGEST: usize = 40;
    let shown: String =
        text.iter().take(LONGEST).flat_map(|&byte| std::ascii::escape_default(byte)).map(char::from).collect();
    let ellipsis = if text.len() > LONGEST { "..." } else { "" };
    format!("`{shown}{ellipsis}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_file_place_and_rule() {
        let shown = |place: Place| place.holds(Fault::Empty).in_file("log.csv").to_string();
        assert_eq!(shown(Place::File), "log.csv: has no sample, but at least one is needed");
        assert_eq!(shown(Place::Line(7)), "log.csv:7: has no sample, but at least one is needed");
        assert_eq!(shown(Place::Byte(9)), "log.csv: byte 9: has no sample, but at least one is needed");
    }

    #[test]
    fn quoted_text_stays_short_and_printable() {
        assert_eq!(quoted(b"a\x1b[2J\n"), r"`a\x1b[2J\n`");
        assert_eq!(quoted(&[b'x'; 100]).len(), 40 + 2 + 3);
    }
}
