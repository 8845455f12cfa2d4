//! What a gate compares with: a program, or a revision that is built first.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::stored::{self, StoredRun};

/// The number of this program's instruction set in an ELF header, at bytes 18 and 19 (`e_machine`).
const MACHINE: u16 = if cfg!(target_arch = "x86_64") { 62 } else { 183 };

/// Why there is nothing to compare with.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// It is evidence.
    #[error(
        "`{}` holds stored times: times of another day cannot be compared, since the machine has changed more since than \
         any program; give a git revision or a program, and both are measured now{run}",
        .path.display()
    )]
    StoredTimes {
        /// What was given.
        path: PathBuf,
        /// What else is wrong with it.
        run: StoredRun,
    },
    /// The file cannot be run.
    #[error("`{}` cannot be run here: {reason}", .path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It names nothing.
    #[error("`{given}` is neither a program nor a git revision: {reason}")]
    Unknown {
        /// What was given.
        given: String,
        /// What git says.
        reason: String,
    },
    /// The revision cannot be built.
    #[error("cannot build the revision `{revision}`: {reason}")]
    Build {
        /// The revision.
        revision: String,
        /// Which step failed, and how.
        reason: String,
    },
}

/// A program to compare with, found or built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// What was asked for.
    pub given: String,
    /// The program.
    pub program: PathBuf,
}

impl Baseline {
    /// Finds the program that `given` names, or builds the revision that it names in the repository around `here`, which
    /// can take minutes. `runs` is where evidence lies, and `matrix_hash` that of the matrix in use.
    pub fn find(given: &str, here: &Path, runs: &Path, matrix_hash: &str) -> Result<Self, BaselineError> {
        let path = here.join(given);
        if let Some(run) = stored::find(given, &path, runs, matrix_hash) {
            return Err(BaselineError::StoredTimes { path: run.folder.clone(), run });
        }
        let program = if path.is_file() {
            check_executable(&path)?;
            path
        } else {
            build(given, here)?
        };
        Ok(Self { given: given.to_owned(), program })
    }
}

/// Fails unless the file is a program for this machine, or a script.
fn check_executable(path: &Path) -> Result<(), BaselineError> {
    let refused = |reason: &str| BaselineError::NotExecutable { path: path.to_owned(), reason: reason.to_owned() };
    let unreadable = |error: io::Error| refused(&error.to_string());
    let mut header = Vec::new();
    File::open(path).and_then(|file| file.take(20).read_to_end(&mut header)).map_err(unreadable)?;
    let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode();
    if mode & 0o111 == 0 {
        return Err(refused("it is not executable; a baseline is a `validation` program (chmod +x, if it is one)"));
    }
    match (header.starts_with(b"#!"), header.strip_prefix(b"\x7fELF")) {
        (true, _) => Ok(()),
        (false, Some(elf)) if elf.get(14..16) == Some(&MACHINE.to_le_bytes()) => Ok(()),
        (false, Some(_)) => Err(refused("it was built for another processor architecture")),
        (false, None) => Err(refused("it is neither an ELF program nor a script")),
    }
}

/// The program of a revision: built in a worktree of its own, once.
fn build(given: &str, here: &Path) -> Result<PathBuf, BaselineError> {
    let unknown = |reason| BaselineError::Unknown { given: given.to_owned(), reason };
    let git = |arguments: &[&str]| run(Command::new("git").arg("-C").arg(here).args(arguments));
    let revision = format!("{given}^{{commit}}");
    let commit = git(&["rev-parse", "--verify", "--quiet", "--end-of-options", &revision]).map_err(|reason| {
        unknown(if reason.is_empty() { "no such file, and no commit of this repository".to_owned() } else { reason })
    })?;
    let top = PathBuf::from(git(&["rev-parse", "--show-toplevel"]).map_err(unknown)?);

    let failed = |reason| BaselineError::Build { revision: format!("{given} ({commit})"), reason };
    let system = |error: io::Error| failed(error.to_string());
    let folder = top.join("target/baseline").join(&commit);
    let build = env!("VALIDATION_BUILD");
    let program = folder.join(build).join("validation");
    if program.is_file() {
        return Ok(program);
    }
    let source = folder.join("source");
    if !source.is_dir() {
        fs::create_dir_all(&folder).map_err(system)?;
        eprintln!("checking out {given} ({commit})");
        // What a killed run left of a worktree is forgotten.
        git(&["worktree", "prune"]).map_err(failed)?;
        git(&["worktree", "add", "--detach", &source.to_string_lossy(), &commit]).map_err(failed)?;
    }
    eprintln!("building {given} in {}; this is done once", folder.display());
    let target = top.join("target/baseline/build");
    let mut cargo = Command::new(env::var_os("CARGO").as_deref().unwrap_or(OsStr::new("cargo")));
    cargo.current_dir(&source).args(["build", "--locked", "-p", "validation"]).env("CARGO_TARGET_DIR", &target);
    if build == "release" {
        cargo.arg("--release");
    }
    // The compiler that scripts/setup_cuda.sh fetched belongs to no revision, so it is not in the worktree.
    let nvcc = top.join(".cuda/nvidia/cu13/bin/nvcc");
    if env::var_os("NVCC").is_none() && nvcc.is_file() {
        cargo.env("NVCC", nvcc);
    }
    // Its progress and its errors are for people.
    let status = cargo.stdin(Stdio::null()).status();
    let status =
        status.map_err(|error| failed(format!("cargo cannot be started: {error}; install Rust, or give a program")))?;
    if !status.success() {
        return Err(failed(format!("cargo failed ({status}), see above")));
    }
    fs::create_dir_all(folder.join(build)).map_err(system)?;
    // Under another name first: a copy that was cut short must not be taken for the program.
    let copy = program.with_extension("unfinished");
    fs::copy(target.join(build).join("validation"), &copy).and_then(|_| fs::rename(&copy, &program)).map_err(system)?;
    git(&["worktree", "remove", "--force", &source.to_string_lossy()]).map_err(failed)?;
    Ok(program)
}

/// What a command prints; the error is what it complains of.
fn run(command: &mut Command) -> Result<String, String> {
    // Set while git runs a hook: they would point at whatever repository that is.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(variable);
    }
    let output = command.output().map_err(|error| {
        format!("{} cannot be started: {error}; install it, or give a program", command.get_program().display())
    })?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(given: &str, here: &Path) -> String {
        Baseline::find(given, here, &here.join("bench_artifacts"), "").unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8], mode| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        };
        let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
        elf.resize(18, 0);
        elf.extend(21_u16.to_le_bytes());
        file("foreign", &elf, 0o755);
        file("text", b"hello", 0o755);
        file("plain", b"#!/bin/sh", 0o644);
        for (name, reason) in [
            ("foreign", "another processor architecture"),
            ("text", "neither an ELF program nor a script"),
            ("plain", "not executable"),
            ("absent", "is neither a program nor a git revision"),
            ("", "is neither a program nor a git revision"),
        ] {
            let error = find(name, folder.path());
            assert!(error.contains(reason), "{name}: {error}");
        }
    }

    #[test]
    fn a_revision_that_does_not_build_is_refused_and_says_which() {
        let folder = tempfile::tempdir().unwrap();
        let git = |arguments: &[&str]| {
            run(Command::new("git")
                .arg("-C")
                .arg(folder.path())
                .args(["-c", "user.name=a", "-c", "user.email=b"])
                .args(arguments))
            .unwrap()
        };
        git(&["init", "--quiet"]);
        git(&["commit", "--quiet", "--allow-empty", "--message", "nothing to build"]);
        let error = find("HEAD", folder.path());
        let commit = git(&["rev-parse", "HEAD"]);
        assert!(error.starts_with(&format!("cannot build the revision `HEAD ({commit})`: cargo failed")), "{error}");
        // The checkout is kept, and the next attempt finds it.
        assert!(folder.path().join("target/baseline").join(&commit).join("source/.git").exists());
        assert_eq!(find("HEAD", folder.path()), error);
    }

    #[test]
    fn this_program_and_scripts_can_be_run() {
        check_executable(&env::current_exe().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script");
        fs::write(&script, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
        let baseline = Baseline::find("script", folder.path(), folder.path(), "").unwrap();
        assert_eq!(baseline.program, script);
    }
}
