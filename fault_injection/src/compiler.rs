//! Sources made into a shared library by their own `build.sh`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::Sources;

/// The build script among the sources. It takes the folder of the result, and `CC` and `RC_INCLUDE` as variables.
const SCRIPT: &str = "build.sh";
/// What it makes.
const LIBRARY: &str = "libc_subject.so";
/// A mutant may well be code that a compiler warns about.
const WARNINGS: [(&str, &str); 2] = [("-Wall -Wextra", ""), ("-Werror", "-w")];

/// A C compiler that is there: what `CC` says, or `cc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiler {
    version: String,
}

/// There is no C compiler.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no C compiler: `{command} --version` said: {reason}; install one, or name it with the variable CC")]
pub struct MissingCompiler {
    /// What was tried.
    pub command: String,
    /// What came of it.
    pub reason: String,
}

/// Sources that could not be made into a library.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The compiler refused.
    #[error("it does not compile:\n{0}")]
    Refused(String),
    /// Files could not be written, or the shell not be started.
    #[error("it could not be compiled: {0}")]
    System(#[from] io::Error),
}

impl Compiler {
    /// Looks for the compiler.
    pub fn find() -> Result<Self, MissingCompiler> {
        let command = std::env::var("CC").ok().filter(|command| !command.is_empty()).unwrap_or_else(|| "cc".to_owned());
        // The shell takes it apart as build.sh does: `CC="ccache gcc"` is two words.
        match Command::new("sh").args(["-c", "${CC:-cc} --version"]).output() {
            Ok(output) if output.status.success() => Ok(Self { version: first_line(&output.stdout) }),
            Ok(output) => Err(MissingCompiler { command, reason: first_line(&output.stderr) }),
            Err(error) => Err(MissingCompiler { command, reason: error.to_string() }),
        }
    }

    /// What it says of itself.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Makes a library of the sources of a subject in C, in this folder.
    pub fn compile(&self, sources: &Sources, folder: &Path) -> Result<PathBuf, CompileError> {
        let mut sources = sources.clone();
        if let Some(script) = sources.files.get_mut(SCRIPT) {
            for (flags, others) in WARNINGS {
                *script = script.replace(flags, others);
            }
        }
        let [source, include] = ["source", "include"].map(|name| folder.join(name));
        sources.write(&source)?;
        Sources::headers().write(&include)?;
        let built = Command::new("sh").arg(source.join(SCRIPT)).arg(folder).env("RC_INCLUDE", &include).output()?;
        if !built.status.success() {
            return Err(CompileError::Refused(said(&built)));
        }
        let library = folder.join(LIBRARY);
        fs::metadata(&library)?;
        Ok(library)
    }
}

pub(crate) fn first_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).lines().next().unwrap_or("nothing").to_owned()
}

/// The end of what a compiler printed holds no more than the beginning: the first lines say what is wrong.
pub(crate) fn said(output: &Output) -> String {
    const LINES: usize = 12;
    let text = [&*output.stderr, &*output.stdout].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines().take(LINES).collect::<Vec<_>>().join("\n")
}
