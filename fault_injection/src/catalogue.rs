//! All mutants and controls of a device.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use robocache_core::subject::Place;

use crate::{Control, HeaderError, Mutant, PatchError, Sources, embedded, header};

/// The mutants and controls of one device, and the sources that they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    /// Whose sources they change.
    pub device: Place,
    /// The mutants, in the order of their names.
    pub mutants: Vec<Mutant>,
    /// The controls: the sources as they are, then the others in the order of their names.
    pub controls: Vec<Control>,
    /// The sources.
    pub sources: Sources,
}

/// A patch file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// It cannot be read.
    #[error("cannot read `{path}`: {source}", path = path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its header is wrong.
    #[error("{file}: {source}")]
    Header {
        /// The file.
        file: String,
        /// What is wrong.
        source: HeaderError,
    },
    /// It does not apply.
    #[error("{file}: {source}")]
    Patch {
        /// The file.
        file: String,
        /// Why not.
        source: PatchError,
    },
    /// Its name cannot be one.
    #[error("{0}: a patch is called after what it does, in small letters, digits and `_`, and not as another one")]
    Name(String),
}

type Files = Vec<(String, String)>;

impl Catalogue {
    /// What the program holds.
    pub fn embedded(device: Place) -> Result<Self, CatalogueError> {
        let (mutants, controls) = match device {
            Place::Cpu => (embedded::CPU_MUTANTS, embedded::CPU_CONTROLS),
            Place::Cuda => (embedded::CUDA_MUTANTS, embedded::CUDA_CONTROLS),
        };
        let owned = |files: &[(&str, &str)]| -> Files {
            files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
        };
        Self::new(device, owned(mutants), owned(controls))
    }

    /// What a folder holds that is laid out as `fault_injection/` is: `mutants/<device>` and `controls/<device>`, of
    /// which the second may be missing. The sources are those that the program holds.
    pub fn read(device: Place, folder: &Path) -> Result<Self, CatalogueError> {
        let device_folder = folder_name(device);
        let mutants = read_folder(&folder.join("mutants").join(device_folder))?;
        let controls = folder.join("controls").join(device_folder);
        let controls = if controls.exists() { read_folder(&controls)? } else { Files::new() };
        Self::new(device, mutants, controls)
    }

    /// Reads headers and tries every patch: what does not apply is known before anything is compiled.
    fn new(device: Place, mutants: Files, controls: Files) -> Result<Self, CatalogueError> {
        let sources = Sources::of(device);
        let mut names = BTreeSet::from([Control::UNPATCHED.to_owned()]);
        let mut catalogue =
            Self { device, mutants: Vec::new(), controls: vec![Control::unpatched(device)], sources: sources.clone() };
        let applies = |file: &str, diff: &str| {
            let refused = |source| CatalogueError::Patch { file: file.to_owned(), source };
            sources.patched(diff).map(drop).map_err(refused)
        };
        let invalid = |file: &str| {
            let file = file.to_owned();
            move |source| CatalogueError::Header { file, source }
        };
        for (file, text) in mutants {
            let mutant = header::mutant(&name_of(&file, &mut names)?, device, &text).map_err(invalid(&file))?;
            applies(&file, &mutant.diff)?;
            catalogue.mutants.push(mutant);
        }
        for (file, text) in controls {
            let control = header::control(&name_of(&file, &mut names)?, device, &text).map_err(invalid(&file))?;
            applies(&file, &control.diff)?;
            catalogue.controls.push(control);
        }
        Ok(catalogue)
    }

    /// The sources with a diff of this catalogue applied; an empty one changes nothing.
    pub fn patched(&self, diff: &str) -> Result<Sources, PatchError> {
        if diff.is_empty() { Ok(self.sources.clone()) } else { self.sources.patched(diff) }
    }
}

const fn folder_name(device: Place) -> &'static str {
    match device {
        Place::Cpu => "cpu",
        Place::Cuda => "cuda",
    }
}

fn read_folder(folder: &Path) -> Result<Files, CatalogueError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| CatalogueError::Unreadable { path, source }
    };
    let entries = fs::read_dir(folder).map_err(unreadable(folder))?;
    let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(unreadable(folder))?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "patch"));
    paths.sort();
    let file = |path: &PathBuf| {
        let text = fs::read_to_string(path).map_err(unreadable(path))?;
        Ok((path.file_name().unwrap_or_default().display().to_string(), text))
    };
    paths.iter().map(file).collect()
}

/// The name that a file gives to what is in it, if no other has it.
fn name_of(file: &str, names: &mut BTreeSet<String>) -> Result<String, CatalogueError> {
    let name = file.strip_suffix(".patch").unwrap_or(file);
    let is_fit = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_';
    if name.is_empty() || !name.chars().all(is_fit) || !names.insert(name.to_owned()) {
        return Err(CatalogueError::Name(file.to_owned()));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_and_differ() {
        let mut names = BTreeSet::new();
        assert_eq!(name_of("zeros_2.patch", &mut names).unwrap(), "zeros_2");
        for file in ["zeros_2.patch", "Zeros.patch", ".patch", "a-b.patch", "a b.patch"] {
            assert!(matches!(name_of(file, &mut names), Err(CatalogueError::Name(name)) if name == file), "{file}");
        }
    }
}
