//! Evidence that somebody takes for a baseline.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::evidence::{
    Environment,
    host::Host,
    run::{self, ENVIRONMENT},
};

/// Stored times, and what else is wrong with comparing with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRun {
    /// The folder of the run, or the file, if that is no run.
    pub folder: PathBuf,
    /// Whether it was made on another machine; `None` if it does not say.
    pub other_machine: Option<bool>,
    /// Whether another matrix was used; `None` if it does not say.
    pub other_matrix: Option<bool>,
}

impl fmt::Display for StoredRun {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.other_machine == Some(true) {
            formatter.write_str("; besides, they are of another machine")?;
        }
        if self.other_matrix == Some(true) {
            formatter.write_str("; besides, they were measured with another matrix")?;
        }
        Ok(())
    }
}

/// The run that `path` or `given` means, if it means one: its folder, a file in it, its name or `latest`.
pub(super) fn find(given: &str, path: &Path, runs: &Path, matrix_hash: &str) -> Option<StoredRun> {
    let is_data = |path: &Path| path.extension().is_some_and(|extension| extension == "json" || extension == "jsonl");
    let folder = if path.is_dir() && path.join(ENVIRONMENT).exists() {
        path.to_owned()
    } else if path.is_file() && is_data(path) {
        path.parent().filter(|folder| folder.join(ENVIRONMENT).exists()).unwrap_or(path).to_owned()
    } else if given.is_empty() || given.contains('/') || path.exists() {
        return None;
    } else {
        run::find(runs, given).ok()?
    };
    let environment = Environment::read(&folder.join(ENVIRONMENT)).ok();
    Some(StoredRun {
        other_machine: environment.as_ref().map(|environment| {
            let (then, now) = (&environment.host, Host::look());
            (&then.cpu, &then.logical_cpus, then.memory_bytes.clone())
                != (&now.cpu, &now.logical_cpus, now.memory_bytes)
        }),
        other_matrix: environment.map(|environment| environment.selection.matrix_hash != matrix_hash),
        folder,
    })
}
