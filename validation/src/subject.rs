//! The library under test: looked at in a child process, and loaded in workers only. The program itself never loads it, so
//! that whatever it does costs a cell and not the run.

use std::{
    cell::OnceCell,
    env,
    ffi::OsString,
    io,
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use nix::unistd::{dup, dup2_stdout};
use robocache_core::{
    dtype::DType,
    parameters::Parameters,
    registry::Registry,
    subject::{self, Description, Place},
};

use crate::{
    cell::Device,
    cli::WorkerArguments,
    machine::child::{self, Question},
};

/// How long a library may take to be loaded and to describe itself.
const LOOK: Question = Question {
    task: "the look at the subject",
    deadline: Duration::from_secs(10),
    after_deadline: "one of its constructors or rc_subject_describe hangs",
};

/// A library that cannot be a subject, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnusableSubject(String);

/// What the library at `path` says of itself. It is loaded in a child process, which may die of it.
pub(crate) fn look(path: &Path) -> Result<Description, UnusableSubject> {
    let answer = || -> Result<Result<Description, String>, String> {
        let program = env::current_exe().map_err(|error| format!("this program's file is unknown: {error}"))?;
        child::ask(Command::new(program).arg("probe").arg("--subject").arg(path), LOOK)
    };
    match answer() {
        Ok(described) => described.map_err(UnusableSubject),
        Err(reason) => Err(UnusableSubject(format!("the subject `{}` cannot be used: {reason}", path.display()))),
    }
}

/// The child's side of [`look`]: loads the library, and writes what it says as JSON where only the parent reads it.
pub(crate) fn probe(path: &Path) -> io::Result<()> {
    // A constructor that prints must not be mistaken for the answer.
    let answer = dup(io::stdout())?;
    dup2_stdout(io::stderr().as_fd())?;
    let described = subject::Subject::load(path, None).map(|subject| subject.description().clone());
    let described = described.map_err(|error| error.to_string());
    serde_json::to_writer(std::fs::File::from(answer), &described)?;
    Ok(())
}

/// The arguments with which a worker executes the library at this path, if there is one, which must still be as described.
pub(crate) fn worker_arguments(path: Option<&Path>, description: Option<&Description>) -> Vec<OsString> {
    path.zip(description).map_or_else(Vec::new, |(path, description)| {
        vec!["--subject".into(), path.into(), "--subject-hash".into(), description.hash.clone().into()]
    })
}

/// What the subject lacks for a cell; `None` if it can be tried.
pub(crate) fn lacks(
    description: &Description,
    operator: &str,
    device: Device,
    dtype: DType,
    parameters: &Parameters,
) -> Option<String> {
    match (description.device, device) {
        (Place::Cpu, Device::Cuda) => Some("it computes on the CPU only".to_owned()),
        (Place::Cuda, Device::Cpu) => Some("it computes on CUDA only".to_owned()),
        (Place::Cpu, Device::Cpu) | (Place::Cuda, Device::Cuda) => description.lacks(operator, dtype, parameters),
    }
}

/// The operators that a worker runs: those of the program, or with a subject in their place.
pub(crate) struct Served<'a> {
    builtin: &'a Registry,
    subject: Option<(PathBuf, Option<String>)>,
    loaded: OnceCell<Result<Registry, String>>,
}

impl<'a> Served<'a> {
    /// Nothing is loaded yet: a library that brings its process down must not do so before the worker is one.
    pub(crate) fn new(builtin: &'a Registry, arguments: WorkerArguments) -> Self {
        let WorkerArguments { subject, subject_hash, kernels: _, kernels_hash: _, launched: _ } = arguments;
        Self { builtin, subject: subject.map(|path| (path, subject_hash)), loaded: OnceCell::new() }
    }

    /// The operators; the error says why the subject cannot be loaded.
    pub(crate) fn registry(&self) -> Result<&Registry, String> {
        let Some((path, hash)) = &self.subject else { return Ok(self.builtin) };
        let load = || {
            let subject = subject::Subject::load(path, hash.as_deref()).map_err(|error| error.to_string())?;
            Ok(subject.registry(self.builtin))
        };
        self.loaded.get_or_init(load).as_ref().map_err(Clone::clone)
    }
}
