//! The steps from bytes to a matrix.

use std::path::Path;

use robocache_core::registry::Registry;
use serde::Deserialize;

use super::{Diagnostic, Matrix, check::check, document::Document, place::Located, source::Source, yaml};

/// The newest version of the format that this program reads.
const NEWEST_VERSION: u64 = 1;

/// The one key that every version of the format has.
#[derive(Deserialize)]
struct Versioned {
    version: Located<u64>,
}

impl Matrix {
    /// Reads and checks the matrix in a file.
    pub fn read(path: &Path, registry: &Registry) -> Result<Self, Diagnostic> {
        Self::from_source(Source::read(path)?, registry)
    }

    /// Checks a matrix of any bytes; `file_name` is what diagnostics call it.
    pub fn from_bytes(file_name: &str, bytes: &[u8], registry: &Registry) -> Result<Self, Diagnostic> {
        Self::from_source(Source::from_bytes(file_name, bytes)?, registry)
    }

    /// Checks a matrix; `file_name` is what diagnostics call it.
    pub fn parse(file_name: &str, text: &str, registry: &Registry) -> Result<Self, Diagnostic> {
        Self::from_bytes(file_name, text.as_bytes(), registry)
    }

    fn from_source(source: Source, registry: &Registry) -> Result<Self, Diagnostic> {
        // The version comes first: what a newer one means by its keys is not for this program to judge.
        let Versioned { version } = yaml::read(&source)?;
        if !(1..=NEWEST_VERSION).contains(&version.value) {
            let message = format!("version {} of the matrix format is not known here", version.value);
            return Err(source
                .diagnostic(version.place, message)
                .label(format!("this program reads version {NEWEST_VERSION}"))
                .help("use the release of this program that the matrix was written for, or a newer one"));
        }
        let document: Document = yaml::read(&source)?;
        check(source, document, registry)
    }
}
