//! The files of an implementation, in memory.

use std::{collections::BTreeMap, fs, io, path::Path};

use robocache_core::subject::Place;

use crate::embedded;

/// The files of one folder by their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    pub(crate) files: BTreeMap<String, String>,
}

impl Sources {
    /// The files that mutants of this device change: `examples/c_subject` or `kernels`.
    pub fn of(device: Place) -> Self {
        Self::new(match device {
            Place::Cpu => embedded::CPU_SOURCES,
            Place::Cuda => embedded::CUDA_SOURCES,
        })
    }

    /// The headers that a subject is compiled with.
    pub(crate) fn headers() -> Self {
        Self::new(embedded::HEADERS)
    }

    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect() }
    }

    /// Writes them into a folder, which is made if it is missing.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        self.files.iter().try_for_each(|(name, text)| fs::write(folder.join(name), text))
    }
}
