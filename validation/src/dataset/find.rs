//! Where recordings lie.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use super::{
    error::{DatasetError, Fault, Place},
    spec::DatasetSpec,
};

/// The environment variable that names the data folder where `--data` does not.
pub const DATA_VARIABLE: &str = "ROBOCACHE_DATA";

/// Where the recording of `spec` lies in `data_folder`; it need not exist.
///
/// The matrix cannot name a file elsewhere: absolute paths and `..` are refused.
pub fn resolve(data_folder: &Path, spec: &DatasetSpec) -> Result<PathBuf, DatasetError> {
    let file = Path::new(&spec.file);
    let inside = file.components().all(|component| match component {
        Component::Normal(_) | Component::CurDir => true,
        Component::Prefix(_) | Component::RootDir | Component::ParentDir => false,
    });
    if !inside || file.file_name().is_none() {
        return Err(Place::File.holds(Fault::OutsideDataFolder).in_file(file));
    }
    Ok(data_folder.join(file))
}

/// For each recording of the matrix why it cannot be used here; `None` if its file is there.
///
/// Only presence is asked: a file that is there but broken is found by the cell that reads it, and fails it.
pub fn find(data_folder: Option<&Path>, specs: &BTreeMap<String, DatasetSpec>) -> BTreeMap<String, Option<String>> {
    specs.iter().map(|(name, spec)| (name.clone(), why_not(data_folder, spec))).collect()
}

fn why_not(data_folder: Option<&Path>, spec: &DatasetSpec) -> Option<String> {
    let Some(data_folder) = data_folder else {
        return Some(format!("no data folder; name one with --data or {DATA_VARIABLE}"));
    };
    if !data_folder.is_dir() {
        return Some(format!("{} is not a folder", data_folder.display()));
    }
    match resolve(data_folder, spec) {
        Ok(path) if path.is_file() => None,
        Ok(path) => Some(Place::File.holds(Fault::Missing).in_file(path).to_string()),
        Err(error) => Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use robocache_core::parameters::Parameters;

    use super::*;
    use crate::dataset::{DatasetFormat, Expectation};

    fn spec(file: &str) -> DatasetSpec {
        DatasetSpec {
            file: file.into(),
            format: DatasetFormat::Ply,
            operator: "voxelize".into(),
            parameters: Parameters::default(),
            rate_hz: None,
            expect: Expectation::Accepted,
        }
    }

    #[test]
    fn no_file_outside_the_folder_can_be_named() {
        for file in ["/etc/passwd", "../secret", "a/../../secret", "", ".", "a/.."] {
            let error = resolve(Path::new("/data"), &spec(file)).unwrap_err();
            assert_eq!(error.kind(), "outside_data_folder", "{file:?}");
        }
        assert_eq!(resolve(Path::new("/data"), &spec("a/b.ply")).unwrap(), Path::new("/data/a/b.ply"));
    }

    #[test]
    fn every_recording_is_present_or_has_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("scan.ply"), "ply\n").unwrap();
        std::fs::create_dir(folder.path().join("folder.ply")).unwrap();
        let specs = ["scan.ply", "none.ply", "folder.ply", "../scan.ply"].map(|file| (file.to_owned(), spec(file)));
        let specs = BTreeMap::from(specs);

        let found = find(Some(folder.path()), &specs);
        assert_eq!(found["scan.ply"], None);
        assert!(found["none.ply"].as_ref().unwrap().contains("there is no such file"));
        assert!(found["folder.ply"].is_some());
        assert!(found["../scan.ply"].as_ref().unwrap().contains("not inside the data folder"));

        let nowhere = find(None, &specs);
        assert!(nowhere.values().all(|reason| reason.as_ref().unwrap().contains("--data")));
        let wrong = find(Some(&folder.path().join("scan.ply")), &specs);
        assert!(wrong["scan.ply"].as_ref().unwrap().ends_with("is not a folder"));
    }
}
