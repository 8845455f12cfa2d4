//! Which program ran: the source it was built from, and its very bytes.

use std::{env, fs::File, io, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{fact::Fact, storage::StorageError};

/// The program that made a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Version of the validation framework.
    pub version: String,
    /// The git commit that the framework was built from.
    pub commit: Fact<String>,
    /// Whether the sources that it was built from differed from that commit.
    pub dirty: Fact<bool>,
    /// BLAKE3 of the executable file, in hexadecimal.
    pub hash: String,
    /// Cargo's profile: `release` or `debug`.
    pub build: String,
    /// The target triple.
    pub target: String,
    /// The compiler, as it names itself.
    pub compiler: String,
}

impl Program {
    /// The running program. Reads the whole executable.
    pub fn current() -> Result<Self, StorageError> {
        Ok(Self::with_hash(hash_executable()?))
    }

    /// The running program, if the hash of its executable is known already.
    pub fn with_hash(hash: String) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: embedded(env!("VALIDATION_COMMIT"), env!("VALIDATION_COMMIT_UNKNOWN")).map(str::to_owned),
            dirty: embedded(env!("VALIDATION_DIRTY"), env!("VALIDATION_COMMIT_UNKNOWN")).map(|word| word == "true"),
            hash,
            build: env!("VALIDATION_BUILD").to_owned(),
            target: env!("VALIDATION_TARGET").to_owned(),
            compiler: env!("VALIDATION_COMPILER").to_owned(),
        }
    }

    /// The name of the folder that holds the evidence of this program's source: the commit, `-dirty` behind it if that
    /// is not quite what was built, or `unknown`.
    pub fn source_folder(&self) -> String {
        match (&self.commit, &self.dirty) {
            (Fact::Known(commit), Fact::Known(false)) => commit.clone(),
            (Fact::Known(commit), Fact::Known(true) | Fact::Missing { .. }) => format!("{commit}-dirty"),
            (Fact::Missing { .. }, Fact::Known(_) | Fact::Missing { .. }) => "unknown".to_owned(),
        }
    }
}

/// What the build script embedded: an empty value comes with the reason for it.
fn embedded(value: &'static str, reason: &'static str) -> Fact<&'static str> {
    if value.is_empty() { Fact::Missing { missing: reason.to_owned() } } else { Fact::Known(value) }
}

fn hash_executable() -> Result<String, StorageError> {
    let path = executable().map_err(StorageError::at("find the executable", "the running program".as_ref()))?;
    let mut hasher = blake3::Hasher::new();
    File::open(&path)
        .and_then(|file| hasher.update_reader(file).map(drop))
        .map_err(StorageError::at("read the executable", &path))?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// On Linux the link to the running image, which leads to it even after a rebuild has replaced the file.
fn executable() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok(PathBuf::from("/proc/self/exe")) } else { env::current_exe() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(commit: Fact<String>, dirty: Fact<bool>) -> Program {
        Program { commit, dirty, ..Program::current().unwrap() }
    }

    #[test]
    fn evidence_of_changed_sources_never_lies_under_a_clean_commit() {
        let commit = || Fact::Known("abc".to_owned());
        let missing = || "no git".to_owned();
        assert_eq!(program(commit(), Fact::Known(false)).source_folder(), "abc");
        assert_eq!(program(commit(), Fact::Known(true)).source_folder(), "abc-dirty");
        let unknown = program(Fact::Missing { missing: missing() }, Fact::Missing { missing: missing() });
        assert_eq!(unknown.source_folder(), "unknown");
    }

    #[test]
    fn the_hash_is_that_of_the_running_file() {
        let bytes = std::fs::read(env::current_exe().unwrap()).unwrap();
        assert_eq!(Program::current().unwrap().hash, blake3::hash(&bytes).to_hex().as_str());
    }
}
