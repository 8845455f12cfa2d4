//! Where recordings lie.

use std::path::{Component, Path, PathBuf};

use super::error::{DatasetError, Fault, Place};

/// The environment variable that names the data folder where `--data` does not.
pub const DATA_VARIABLE: &str = "ROBOCACHE_DATA";

/// Where the recording `file` of the matrix lies in `data_folder`; it need not exist.
///
/// The matrix cannot name a file elsewhere: absolute paths and `..` are refused.
pub fn resolve(data_folder: &Path, file: &str) -> Result<PathBuf, DatasetError> {
    let file = Path::new(file);
    let inside = file.components().all(|component| match component {
        Component::Normal(_) | Component::CurDir => true,
        Component::Prefix(_) | Component::RootDir | Component::ParentDir => false,
    });
    if !inside || file.file_name().is_none() {
        return Err(Place::File.holds(Fault::OutsideDataFolder).in_file(file));
    }
    Ok(data_folder.join(file))
}

/// Why the recording `file` of the matrix cannot be used here; `None` if it is there.
///
/// Only presence is asked: a file that is there but broken is found by the cell that reads it, and fails it.
pub fn why_absent(data_folder: Option<&Path>, file: &str) -> Option<String> {
    let Some(data_folder) = data_folder else {
        return Some(format!("no data folder; name one with --data or {DATA_VARIABLE}"));
    };
    if !data_folder.is_dir() {
        return Some(format!("{} is not a folder", data_folder.display()));
    }
    match resolve(data_folder, file) {
        Ok(path) if path.is_file() => None,
        Ok(path) => Some(Place::File.holds(Fault::Missing).in_file(path).to_string()),
        Err(error) => Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_outside_the_folder_can_be_named() {
        for file in ["/etc/passwd", "../secret", "a/../../secret", "", ".", "a/.."] {
            let error = resolve(Path::new("/data"), file).unwrap_err();
            assert_eq!(error.kind(), "outside_data_folder", "{file:?}");
        }
        assert_eq!(resolve(Path::new("/data"), "a/b.ply").unwrap(), Path::new("/data/a/b.ply"));
    }

    #[test]
    fn every_recording_is_present_or_has_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("scan.ply"), "ply\n").unwrap();
        std::fs::create_dir(folder.path().join("folder.ply")).unwrap();
        let absence = |file: &str| why_absent(Some(folder.path()), file);
        assert_eq!(absence("scan.ply"), None);
        assert!(absence("none.ply").unwrap().contains("there is no such file"));
        assert!(absence("folder.ply").is_some());
        assert!(absence("../scan.ply").unwrap().contains("not inside the data folder"));

        assert!(why_absent(None, "scan.ply").unwrap().contains("--data"));
        let no_folder = folder.path().join("scan.ply");
        assert!(why_absent(Some(&no_folder), "scan.ply").unwrap().ends_with("is not a folder"));
    }
}
