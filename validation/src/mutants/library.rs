//! Specimens made into libraries, a few at a time.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use fault_injection::{Catalogue, CompileError};
use robocache_core::{cuda::KernelFile, subject::Description};

use super::{MutantsError, Specimen, toolchain::Toolchain};
use crate::{kernels, subject};

/// A specimen that can be run.
pub(super) struct Library {
    pub(super) specimen: Specimen,
    pub(super) implementation: Implementation,
}

/// What takes the place of this program's own implementation.
pub(super) enum Implementation {
    /// A library under test.
    Subject { path: PathBuf, description: Box<Description> },
    /// An image of kernels.
    Kernels(KernelFile),
}

impl Implementation {
    /// BLAKE3 of its file, in hexadecimal.
    pub(super) fn hash(&self) -> &str {
        match self {
            Self::Subject { path: _, description } => &description.hash,
            Self::Kernels(file) => file.hash(),
        }
    }

    /// What it says of itself, if it does.
    pub(super) fn description(&self) -> Option<&Description> {
        match self {
            Self::Subject { path: _, description } => Some(description),
            Self::Kernels(_) => None,
        }
    }

    /// The arguments of a worker that runs it.
    pub(super) fn worker_arguments(&self) -> Vec<OsString> {
        let mut words = vec!["worker".into()];
        words.extend(match self {
            Self::Subject { path, description } => subject::worker_arguments(Some(path), Some(description)),
            Self::Kernels(file) => kernels::worker_arguments(Some(file)),
        });
        words
    }
}

/// Compiles all specimens into folders of `folder`, so many at a time. Those that do not compile are named together.
pub(super) fn compile(
    toolchain: &Toolchain,
    catalogue: &Catalogue,
    specimens: &[Specimen],
    folder: &Path,
    threads: usize,
) -> Result<Vec<Library>, MutantsError> {
    let next = AtomicUsize::new(0);
    let compiled = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..threads.min(specimens.len()) {
            scope.spawn(|| {
                while let Some((number, specimen)) = take(&next, specimens) {
                    let library = compile_one(toolchain, catalogue, specimen, folder);
                    compiled.lock().unwrap_or_else(PoisonError::into_inner).push((number, library));
                }
            });
        }
    });
    let mut compiled = compiled.into_inner().unwrap_or_else(PoisonError::into_inner);
    compiled.sort_by_key(|(number, _)| *number);
    let (mut libraries, mut refused) = (Vec::new(), Vec::new());
    for (number, library) in compiled {
        match library {
            Ok(library) => libraries.push(library),
            Err(NoLibrary::Uncompilable(error)) => refused.push((specimens[number].name.clone(), error)),
            Err(NoLibrary::Other(error)) => return Err(error),
        }
    }
    if refused.is_empty() { Ok(libraries) } else { Err(MutantsError::Uncompilable(refused)) }
}

/// The next item that nobody has taken, and its number.
pub(super) fn take<'a, T>(next: &AtomicUsize, items: &'a [T]) -> Option<(usize, &'a T)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    items.get(number).map(|item| (number, item))
}

/// Why there is nothing to be run.
pub(super) enum NoLibrary {
    Uncompilable(CompileError),
    Other(MutantsError),
}

fn compile_one(
    toolchain: &Toolchain,
    catalogue: &Catalogue,
    specimen: &Specimen,
    folder: &Path,
) -> Result<Library, NoLibrary> {
    let unfit = |source| NoLibrary::Other(MutantsError::Patch { name: specimen.name.clone(), source });
    let sources = catalogue.patched(&specimen.diff).map_err(unfit)?;
    let implementation = toolchain.build(&specimen.name, &sources, &folder.join(&specimen.name))?;
    Ok(Library { specimen: specimen.clone(), implementation })
}
