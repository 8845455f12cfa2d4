//! Files that are there whole, or not at all, also after a power cut.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// A file or folder that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{path}`: {source}{advice}", path = path.display(), advice = advice(source))]
pub struct StorageError {
    /// What was tried, as the infinitive of a verb.
    pub action: &'static str,
    /// Where.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

impl StorageError {
    /// Makes an error of this action on this path, for `map_err`.
    pub(crate) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { action, path: path.to_owned(), source }
    }
}

/// What a person can do about it; empty where the error says it itself.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "; free space there, then finish the run with `--resume`: everything acknowledged so far is kept"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; choose an evidence folder that this user may write"
        }
        io::ErrorKind::NotADirectory => "; a part of this path is a file: choose another evidence folder",
        _ => "",
    }
}

/// Creates a folder and its missing parents, so that they survive a power cut.
pub(crate) fn create_folder(path: &Path) -> Result<(), StorageError> {
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| is_missing(folder)).collect();
    fs::create_dir_all(path).map_err(StorageError::at("create the folder", path))?;
    for folder in missing {
        sync_folder_of(folder)?;
    }
    Ok(())
}

fn is_missing(folder: &Path) -> bool {
    !folder.as_os_str().is_empty() && !folder.exists()
}

/// Writes a file that other processes see either whole or, until then, as it was before.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
    let folder = folder_of(path);
    let write = || -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(".unfinished-")
            // Evidence is for others to read; the umask takes away what this user does not grant.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(StorageError::at("write", path))?;
    sync_folder_of(path)
}

/// Makes the name of this file or folder durable: its content is not found after a power cut without it.
pub(crate) fn sync_folder_of(path: &Path) -> Result<(), StorageError> {
    let folder = folder_of(path);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(StorageError::at("sync the folder", folder))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_existing_file_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.xml");
        write_atomically(&path, b"old").unwrap();
        write_atomically(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_path_through_a_file_is_refused_with_advice() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let path = folder.path().join("file/run");
        let message = create_folder(&path).unwrap_err().to_string();
        assert!(message.contains("file/run") && message.contains("choose another evidence folder"), "{message}");
    }

    #[test]
    fn a_full_disk_says_what_to_do() {
        let error = StorageError::at("append to", Path::new("records.jsonl"))(io::ErrorKind::StorageFull.into());
        assert!(error.to_string().contains("free space there"), "{error}");
    }
}
