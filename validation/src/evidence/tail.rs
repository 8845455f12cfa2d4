//! The end of a log, made ready for the next record.
//!
//! Everything here expects that the caller holds the log's lock.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::{
    frame,
    read::{LogContents, LogError, parse_log},
    storage::{self, StorageError},
};

/// How much of the end is read to find the last line; longer ones cost a reading of the whole log.
const WINDOW_BYTES: u64 = 64 << 10;

/// The sequence number for the next record. A torn tail is cut off first.
pub(super) fn next_sequence(file: &File, path: &Path) -> Result<u64, LogError> {
    match last_sequence(file).map_err(StorageError::at("read", path))? {
        Some(sequence) => Ok(sequence.saturating_add(1)),
        None => Ok(repair(file, path)?.next_sequence),
    }
}

/// Reads the whole log and cuts off its torn tail, which is kept beside it in a file of its own.
///
/// The contents still tell of the tail that is gone.
pub(super) fn repair(mut file: &File, path: &Path) -> Result<LogContents, LogError> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut bytes)).map_err(StorageError::at("read", path))?;
    let contents = parse_log(&bytes).map_err(|newer| newer.at(path))?;
    if let Some(tail) = &contents.torn_tail {
        // First the copy, then the cut: a kill in between leaves a second copy, never none.
        storage::write_atomically(&unused_name(path), &bytes[tail.offset as usize..])?;
        file.set_len(tail.offset)
            .and_then(|()| file.sync_all())
            .map_err(StorageError::at("cut the torn tail off", path))?;
    }
    Ok(contents)
}

/// The number in the last line, if that is intact and within the window.
fn last_sequence(mut file: &File) -> io::Result<Option<u64>> {
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(WINDOW_BYTES)))?;
    let mut window = Vec::new();
    file.take(WINDOW_BYTES).read_to_end(&mut window)?;
    let Some(lines) = window.strip_suffix(b"\n") else { return Ok(None) };
    let whole_file = length <= WINDOW_BYTES;
    let start = match lines.iter().rposition(|&byte| byte == b'\n') {
        Some(newline) => newline + 1,
        None if whole_file => 0,
        None => return Ok(None),
    };
    Ok(frame::decode(&lines[start..]).ok().map(|frame| frame.sequence))
}

/// `records.torn-1`, or with the first number that is free.
fn unused_name(path: &Path) -> PathBuf {
    (1_u64..)
        .map(|number| path.with_extension(format!("torn-{number}")))
        .find(|name| !name.exists())
        .unwrap_or_default()
}
