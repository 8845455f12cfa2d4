//! Who may append: one process at a time, for as long as the operating system knows that it lives.

use std::{
    fs::{File, TryLockError},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::storage::StorageError;

/// Why a log is not ours to append to.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds the lock.
    #[error("another process is appending to `{path}`; wait for it to end, or stop it", path = .0.display())]
    InUse(std::path::PathBuf),
    /// The lock cannot be asked for.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// How often a held lock is asked for again.
const POLL: Duration = Duration::from_millis(1);

/// Takes the exclusive lock, which ends with the file handle: a killed process leaves none behind.
///
/// A lock that is held is asked for again until `patience` is over. Even the only writer of a run needs some of it: a
/// child that a killed supervisor was just starting can hold the handle a moment longer than its parent.
pub(super) fn lock(file: &File, path: &Path, patience: Duration) -> Result<(), LockError> {
    let deadline = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(POLL),
            Err(TryLockError::WouldBlock) => return Err(LockError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(StorageError::at("lock", path)(error).into()),
        }
    }
}
