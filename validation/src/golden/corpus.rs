//! The corpora that a matrix names, as they lie beside it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    entry::{Golden, check_name},
    error::GoldenError,
    manifest::{FILE_NAME, Manifest},
};
use crate::{bundle::bytes_of, golden::GoldenFlaw, matrix::Matrix};

/// The goldens of one release. Each file is read when it is needed, and only if its hash is right.
#[derive(Clone, Debug, PartialEq)]
pub struct Corpus {
    /// The folder of the release.
    pub folder: PathBuf,
    /// What is in it.
    pub manifest: Manifest,
}

impl Corpus {
    /// That of `release` among the `goldens`, if its manifest has this hash.
    pub fn read(goldens: &Path, release: &str, manifest_hash: &str) -> Result<Self, GoldenError> {
        check_name(release).map_err(|flaw| flaw.of(goldens))?;
        let folder = goldens.join(release);
        let path = folder.join(FILE_NAME);
        let read = || Manifest::parse(&bytes_of(&path)?, release, manifest_hash);
        let manifest = read().map_err(|flaw: GoldenFlaw| flaw.of(&path))?;
        Ok(Self { folder, manifest })
    }

    /// The file of a golden.
    pub fn path(&self, golden: &Golden) -> PathBuf {
        self.folder.join(golden.file_name())
    }

    /// The file that has this hash.
    pub(crate) fn path_of_hash(&self, blake3: &str) -> Option<PathBuf> {
        self.manifest.golden(blake3).map(|golden| self.path(golden))
    }
}

/// The goldens of each release that the matrix names, or why they cannot be used.
pub fn corpora(goldens: &Path, matrix: &Matrix) -> BTreeMap<String, Result<Corpus, String>> {
    let read = |(release, hash)| Corpus::read(goldens, release, hash).map_err(|error| error.to_string());
    matrix.releases().map(|(release, hash)| (release.to_owned(), read((release, hash)))).collect()
}
