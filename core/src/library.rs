//! NVIDIA's libraries that are looked for at run time: NCCL and CUPTI.
//!
//! Neither is part of the driver, so a machine that runs kernels may have none of them, or several. They come with the
//! CUDA toolkit, with the distribution, or with the wheels on PyPI, and none of these need be on the linker's path.

mod places;

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use places::Surroundings;

/// A library that is looked for at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Library {
    /// What people call it.
    pub name: &'static str,
    /// The sonames of the versions that can be used, best first.
    pub sonames: &'static [&'static str],
    /// The environment variable that names its file or folder, before all other places.
    pub variable: &'static str,
    /// Folders below `nvidia` in `site-packages` to which the wheels on PyPI install it.
    wheels: &'static [&'static str],
    /// What to install.
    remedy: &'static str,
}

/// NCCL: collectives between GPUs.
pub const NCCL: Library = Library {
    name: "NCCL",
    sonames: &["libnccl.so.2"],
    variable: "ROBOCACHE_NCCL",
    wheels: &["nccl"],
    remedy: "pip install nvidia-nccl-cu13",
};

/// CUPTI: records of what a GPU executed.
pub const CUPTI: Library = Library {
    name: "CUPTI",
    sonames: &["libcupti.so.13", "libcupti.so.12"],
    variable: "ROBOCACHE_CUPTI",
    wheels: &["cu13", "cuda_cupti"],
    remedy: "pip install nvidia-cuda-cupti",
};

/// A library that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LibraryError {
    /// It is in none of the usual places.
    #[error(
        "{name} ({}) was not found in LD_LIBRARY_PATH, the linker's cache, CUDA_HOME, /usr/local/cuda*, Python's site-packages, \
         or `lib` beside this program; {remedy}, or set {variable} to its file",
        .sonames.join(" or ")
    )]
    NotFound {
        /// What people call it.
        name: &'static str,
        /// The sonames that were looked for.
        sonames: &'static [&'static str],
        /// The environment variable that can name it.
        variable: &'static str,
        /// What to install.
        remedy: &'static str,
    },
    /// The environment variable names something else.
    #[error("{variable} is {}, but {name} is not there", .value.display())]
    WronglyNamed {
        /// What people call it.
        name: &'static str,
        /// The environment variable.
        variable: &'static str,
        /// Its value.
        value: PathBuf,
    },
    /// It is there, but the linker refuses it.
    #[error("{name} was found, but cannot be loaded: {reason}")]
    Unloadable {
        /// What people call it.
        name: &'static str,
        /// The linker's reason, which names the file.
        reason: String,
    },
}

/// A library in this process.
#[derive(Debug)]
pub struct LoadedLibrary {
    /// Its file.
    pub path: PathBuf,
    /// The handle from which symbols are taken. It is never closed: both libraries leave threads and exit handlers
    /// behind, whose code would be gone.
    pub handle: &'static libloading::Library,
}

impl Library {
    /// Loads it: from the file or folder that [`Library::variable`] names, if it is set; else from the first place where
    /// the linker accepts it, which are its own path (`LD_LIBRARY_PATH` and the cache), toolkits, wheels, and `lib`
    /// beside this program.
    ///
    /// This runs the library's constructors. Call it in a process that may die: a worker or a probe.
    pub fn load(&self) -> Result<LoadedLibrary, LibraryError> {
        match env::var_os(self.variable).filter(|value| !value.is_empty()) {
            Some(value) => self.load_named(Path::new(&value)),
            None => self.load_found(&Surroundings::of_this_process()),
        }
    }

    fn load_named(&self, value: &Path) -> Result<LoadedLibrary, LibraryError> {
        let file = if value.is_dir() { self.files_in(value).next() } else { Some(value.to_owned()) };
        let file = file.filter(|file| file.is_file()).ok_or_else(|| LibraryError::WronglyNamed {
            name: self.name,
            variable: self.variable,
            value: value.to_owned(),
        })?;
        // The linker looks for a path without a slash on its own path.
        open(&std::path::absolute(&file).unwrap_or(file)).map_err(|refusal| self.unloadable(refusal))
    }

    fn load_found(&self, surroundings: &Surroundings) -> Result<LoadedLibrary, LibraryError> {
        let folders = surroundings.folders(self.wheels);
        let mut first_refusal = None;
        for soname in self.sonames {
            let files = folders.iter().map(|folder| folder.join(soname)).filter(|file| file.is_file());
            for candidate in std::iter::once(PathBuf::from(soname)).chain(files) {
                match open(&candidate) {
                    Ok(library) => return Ok(library),
                    // Not on the linker's path: no reason to stop looking, and none to report.
                    Err(refusal) if refusal.starts_with(&format!("{soname}: cannot open")) => {}
                    Err(refusal) => first_refusal = first_refusal.or(Some(refusal)),
                }
            }
        }
        Err(match first_refusal {
            Some(refusal) => self.unloadable(refusal),
            None => LibraryError::NotFound {
                name: self.name,
                sonames: self.sonames,
                variable: self.variable,
                remedy: self.remedy,
            },
        })
    }

    fn files_in(&self, folder: &Path) -> impl Iterator<Item = PathBuf> {
        self.sonames.iter().map(move |soname| folder.join(soname)).filter(|file| file.is_file())
    }

    fn unloadable(&self, reason: String) -> LibraryError {
        LibraryError::Unloadable { name: self.name, reason }
    }
}

/// Opens a file, or a soname on the linker's path; the error is the linker's sentence.
fn open(candidate: &Path) -> Result<LoadedLibrary, String> {
    // SAFETY: constructors of NCCL and CUPTI have no preconditions. What else may bear their names cannot be known, so
    // `Library::load` tells its callers where not to call it.
    match unsafe { libloading::Library::new(candidate) } {
        Ok(handle) => Ok(LoadedLibrary { path: mapped_file(candidate), handle: Box::leak(Box::new(handle)) }),
        Err(error) => Err(error.source().map_or_else(|| error.to_string(), ToString::to_string)),
    }
}

/// The file behind a library that was just loaded: the linker does not say where it found a soname, the kernel does.
fn mapped_file(candidate: &Path) -> PathBuf {
    let is_it = |path: &Path| match (path.file_name(), candidate.file_name()) {
        // A soname is usually a link to a file with more digits, such as libnccl.so.2.28.3.
        (Some(mapped), Some(soname)) => mapped.to_string_lossy().starts_with(&*soname.to_string_lossy()),
        (Some(_) | None, _) => false,
    };
    if candidate.is_absolute() {
        return candidate.to_owned();
    }
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut files = maps.lines().filter_map(|line| line.find('/').map(|start| Path::new(&line[start..])));
    files.find(|path| is_it(path)).unwrap_or(candidate).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: Library = Library { sonames: &["libnccl.so.9", "libnccl.so.2"], ..NCCL };

    /// A file that the linker accepts: a library that every machine has, under another name.
    fn put_library(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(open(Path::new("libm.so.6")).unwrap().path, path).unwrap();
    }

    fn nowhere() -> (tempfile::TempDir, Surroundings) {
        let root = tempfile::tempdir().unwrap();
        let surroundings = Surroundings { root: root.path().to_owned(), ..Surroundings::default() };
        (root, surroundings)
    }

    #[test]
    fn absence_is_an_error_that_says_what_to_do() {
        let (_root, surroundings) = nowhere();
        let error = LIBRARY.load_found(&surroundings).unwrap_err().to_string();
        assert!(error.starts_with("NCCL (libnccl.so.9 or libnccl.so.2) was not found in LD_LIBRARY_PATH"), "{error}");
        assert!(error.ends_with("pip install nvidia-nccl-cu13, or set ROBOCACHE_NCCL to its file"), "{error}");
    }

    #[test]
    fn the_best_version_wins_wherever_it_is() {
        let (root, surroundings) = nowhere();
        let older = root.path().join("usr/local/cuda/lib64/libnccl.so.2");
        let newer = root.path().join("usr/lib/python3/dist-packages/nvidia/nccl/lib/libnccl.so.9");
        put_library(&older);
        assert_eq!(LIBRARY.load_found(&surroundings).unwrap().path, older);
        put_library(&newer);
        assert_eq!(LIBRARY.load_found(&surroundings).unwrap().path, newer);
    }

    #[test]
    fn a_broken_file_is_passed_over_and_reported_only_if_nothing_else_loads() {
        let (root, surroundings) = nowhere();
        let broken = root.path().join("usr/local/cuda/lib64/libnccl.so.9");
        fs::create_dir_all(broken.parent().unwrap()).unwrap();
        fs::write(&broken, "no ELF").unwrap();
        let error = LIBRARY.load_found(&surroundings).unwrap_err().to_string();
        assert!(
            error.starts_with("NCCL was found, but cannot be loaded: ") && error.contains("libnccl.so.9"),
            "{error}"
        );
        let whole = broken.with_file_name("libnccl.so.2");
        put_library(&whole);
        assert_eq!(LIBRARY.load_found(&surroundings).unwrap().path, whole);
    }

    #[test]
    fn the_variable_may_name_the_file_or_its_folder_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("libnccl.so.2");
        put_library(&file);
        assert_eq!(LIBRARY.load_named(&file).unwrap().path, file);
        assert_eq!(LIBRARY.load_named(folder.path()).unwrap().path, file);
        let error = LIBRARY.load_named(&folder.path().join("none")).unwrap_err();
        assert!(matches!(error, LibraryError::WronglyNamed { .. }), "{error}");
    }

    #[test]
    fn a_soname_on_the_linkers_path_is_resolved_to_its_file() {
        let library = open(Path::new("libm.so.6")).unwrap();
        assert!(library.path.is_absolute() && library.path.is_file(), "{}", library.path.display());
    }
}
