//! The bytes of a recording, within limits.

use std::{fs::File, io::Read, path::Path};

use super::error::{DatasetError, Fault, Place};

/// The largest file that is read, in bytes.
pub const FILE_LIMIT_BYTES: u64 = 256 << 20;

/// The most points or samples that a recording may have.
pub const ROW_LIMIT: u64 = 1 << 24;

/// The most columns that a row may have.
pub const COLUMN_LIMIT: u64 = 1 << 10;

/// Everything in `path`, if it is a regular file within [`FILE_LIMIT_BYTES`].
pub(super) fn read(path: &Path) -> Result<Vec<u8>, DatasetError> {
    let failed = |fault: Fault| Place::File.holds(fault).in_file(path);
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => failed(Fault::Missing),
        _ => failed(Fault::Unreadable(error.to_string())),
    };
    // Asked before opening: opening a named pipe waits for its writer, perhaps for ever.
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(failed(Fault::Unreadable("it is not a regular file".into())));
    }
    // The limit is on what is read, not on what the file system says: files can grow.
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(FILE_LIMIT_BYTES + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    check_limit("bytes", bytes.len() as u64, FILE_LIMIT_BYTES).map_err(failed)?;
    Ok(bytes)
}

/// Fails if `found` exceeds `limit`.
pub(super) fn check_limit(what: &'static str, found: u64, limit: u64) -> Result<(), Fault> {
    if found > limit { Err(Fault::TooLarge { what, found, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_and_irregular_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(&folder.path().join("none.ply")).unwrap_err().kind(), "missing");
        assert_eq!(read(folder.path()).unwrap_err().kind(), "unreadable");
        let pipe = folder.path().join("pipe.ply");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read(&pipe).unwrap_err().kind(), "unreadable");
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("huge.csv");
        // Sparse: no block of it is on disk.
        File::create(&path).unwrap().set_len(FILE_LIMIT_BYTES + 1).unwrap();
        let error = read(&path).unwrap_err();
        assert_eq!(error.kind(), "too_large");
        assert!(error.to_string().ends_with("has 268435457 bytes, more than the limit of 268435456"), "{error}");
    }
}
