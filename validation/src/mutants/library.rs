//! Specimens made into libraries, a few at a time.

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use fault_injection::{Catalogue, CompileError, Compiler};
use robocache_core::subject::Description;

use super::{MutantsError, Specimen};
use crate::subject;

/// A specimen that can be run.
pub(super) struct Library {
    pub(super) specimen: Specimen,
    pub(super) path: PathBuf,
    pub(super) description: Description,
}

/// Compiles all specimens into folders of `folder`, so many at a time. Those that do not compile are named together.
pub(super) fn compile(
    compiler: &Compiler,
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
                    let library = compile_one(compiler, catalogue, specimen, folder);
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

enum NoLibrary {
    Uncompilable(CompileError),
    Other(MutantsError),
}

fn compile_one(
    compiler: &Compiler,
    catalogue: &Catalogue,
    specimen: &Specimen,
    folder: &Path,
) -> Result<Library, NoLibrary> {
    let name = || specimen.name.clone();
    let sources = catalogue
        .patched(&specimen.diff)
        .map_err(|source| NoLibrary::Other(MutantsError::Patch { name: name(), source }))?;
    let path = compiler.compile(&sources, &folder.join(&specimen.name)).map_err(NoLibrary::Uncompilable)?;
    let description =
        subject::look(&path).map_err(|source| NoLibrary::Other(MutantsError::Subject { name: name(), source }))?;
    Ok(Library { specimen: specimen.clone(), path, description })
}
