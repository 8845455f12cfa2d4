//! Every version of every format that was ever written is still read, and a version that is not known yet is refused
//! with what to do.
//!
//! `tests/fixtures/versions` holds files as they were written, named by what they are and their version. They are
//! never changed: a new version of a format gets new files beside the old ones. Goldens need none, because `goldens/`
//! holds those of every release.

mod newer;
mod older;

use std::path::{Path, PathBuf};

/// A file as it was written.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/versions").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}
