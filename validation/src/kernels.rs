//! A file of CUDA kernels in the place of those that the program embeds: read here, loaded in a child and in workers.

use std::{ffi::OsString, path::Path};

use robocache_core::cuda::{KernelFile, KernelFileError};

/// A file that cannot take the place of the kernels, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnusableKernels(pub(crate) String);

impl From<KernelFileError> for UnusableKernels {
    fn from(error: KernelFileError) -> Self {
        Self(error.to_string())
    }
}

/// Reads the file at `path`, as far as that goes without a GPU.
pub(crate) fn read(path: &Path) -> Result<KernelFile, UnusableKernels> {
    Ok(KernelFile::read(path)?)
}

/// The arguments with which a worker loads the file, if there is one.
pub(crate) fn worker_arguments(file: Option<&KernelFile>) -> Vec<OsString> {
    file.map_or_else(Vec::new, |file| {
        vec!["--kernels".into(), file.path().into(), "--kernels-hash".into(), file.hash().into()]
    })
}
