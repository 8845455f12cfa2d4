//! Folders in which NVIDIA's libraries usually lie.

use std::{
    cmp::Reverse,
    env, fs,
    path::{Path, PathBuf},
};

/// What of the environment and the file system says where to look.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    /// The root of the file system.
    pub(super) root: PathBuf,
    /// The CUDA toolkit that the user chose.
    pub(super) toolkit: Option<PathBuf>,
    /// The Python environment that is active.
    pub(super) python: Option<PathBuf>,
    /// The user's home.
    pub(super) home: Option<PathBuf>,
    /// The folder of this program.
    pub(super) program: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    pub(super) fn of_this_process() -> Self {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            root: "/".into(),
            toolkit: variable("CUDA_HOME").or_else(|| variable("CUDA_PATH")),
            python: variable("VIRTUAL_ENV").or_else(|| variable("CONDA_PREFIX")),
            home: variable("HOME"),
            program: env::current_exe().ok().and_then(|program| program.parent().map(Path::to_owned)),
        }
    }

    /// Every folder worth a look, best first: toolkits, wheels, and `lib` beside this program. They may not exist.
    ///
    /// `wheels` are the folders below `nvidia` in which the library's wheels put it.
    pub(super) fn folders(&self, wheels: &[&str]) -> Vec<PathBuf> {
        let toolkits = self.toolkit.iter().cloned().chain(matching(&self.root.join("usr/local"), "cuda"));
        let mut folders: Vec<PathBuf> = toolkits
            .flat_map(|toolkit| ["lib64", "lib", "extras/CUPTI/lib64"].map(|part| toolkit.join(part)))
            .collect();
        // Conda puts libraries beside Python's, not into a wheel's folder.
        folders.extend(self.python.iter().map(|python| python.join("lib")));
        for packages in self.python_packages() {
            folders.extend(wheels.iter().map(|wheel| packages.join("nvidia").join(wheel).join("lib")));
        }
        folders.extend(self.program.iter().map(|program| program.join("lib")));
        folders
    }

    /// Folders of installed Python packages: those of the active environment, the user, pyenv and the system.
    fn python_packages(&self) -> Vec<PathBuf> {
        let versions = self.home.iter().flat_map(|home| matching(&home.join(".pyenv/versions"), ""));
        let prefixes = (self.python.iter().cloned())
            .chain(self.home.iter().map(|home| home.join(".local")))
            .chain(versions)
            .chain(["usr/local", "usr"].map(|prefix| self.root.join(prefix)));
        prefixes
            .flat_map(|prefix| matching(&prefix.join("lib"), "python3"))
            .flat_map(|python| ["site-packages", "dist-packages"].map(|packages| python.join(packages)))
            .collect()
    }
}

/// Entries of `folder` whose names begin with `prefix`: the plainest name first (`cuda` is what the administrator chose
/// among `cuda-12.8` and `cuda-13.0`), then later versions before earlier ones.
fn matching(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
    names.sort_by_key(|name| (name != prefix, Reverse(name.clone())));
    names.into_iter().map(|name| folder.join(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toolkits_come_before_wheels_and_wheels_before_the_program() {
        let root = tempfile::tempdir().unwrap();
        for folder in [
            "usr/local/cuda",
            "usr/local/cuda-12.8",
            "usr/local/cuda-13.0",
            "usr/lib/python3",
            "home/.local/lib/python3.12",
            "home/.pyenv/versions/3.11.7/lib/python3.11",
            "venv/lib/python3.13",
        ] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let surroundings = Surroundings {
            root: root.path().to_owned(),
            toolkit: Some("/opt/chosen".into()),
            python: Some(root.path().join("venv")),
            home: Some(root.path().join("home")),
            program: Some("/opt/lab".into()),
        };
        let folders = surroundings.folders(&["nccl"]);
        let position = |folder: &str| {
            let folder = if folder.starts_with('/') { folder.into() } else { root.path().join(folder) };
            folders.iter().position(|candidate| *candidate == folder).unwrap_or_else(|| panic!("{}", folder.display()))
        };
        let expected = [
            "/opt/chosen/lib64",
            "/opt/chosen/extras/CUPTI/lib64",
            "usr/local/cuda/lib64",
            "usr/local/cuda-13.0/lib64",
            "usr/local/cuda-12.8/extras/CUPTI/lib64",
            "venv/lib",
            "venv/lib/python3.13/site-packages/nvidia/nccl/lib",
            "home/.local/lib/python3.12/site-packages/nvidia/nccl/lib",
            "home/.pyenv/versions/3.11.7/lib/python3.11/site-packages/nvidia/nccl/lib",
            "usr/lib/python3/dist-packages/nvidia/nccl/lib",
            "/opt/lab/lib",
        ]
        .map(position);
        assert!(expected.is_sorted(), "{folders:#?}");
    }

    #[test]
    fn a_bare_machine_has_few_places_and_no_error() {
        let root = tempfile::tempdir().unwrap();
        let surroundings = Surroundings { root: root.path().to_owned(), ..Surroundings::default() };
        assert!(surroundings.folders(&["nccl"]).is_empty());
    }
}
