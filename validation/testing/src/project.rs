//! A folder with a matrix, recordings and evidence, and the program run in it.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;
use validation::{
    evidence::{Record, read_log},
    machine::Machine,
};

/// A small matrix: its profiles are one thing each that a run can be.
pub const MATRIX: &str = include_str!("matrix.yaml");

/// Variables that would change what the program does. Whoever runs these tests may have set them.
const VARIABLES: [&str; 7] =
    ["CARGO", "NEXTEST", "NEXTEST_ATTEMPT", "NEXTEST_RUN_ID", "ROBOCACHE_DATA", "ROBOCACHE_OUTPUT", "RUST_BACKTRACE"];

/// A folder of its own for one test.
pub struct Project {
    folder: TempDir,
    matrix: PathBuf,
}

/// How the program ended.
pub struct Ended {
    /// Its exit status; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

impl Default for Project {
    fn default() -> Self {
        Self::new()
    }
}

impl Project {
    /// With the small matrix.
    pub fn new() -> Self {
        Self::with_matrix(MATRIX)
    }

    /// With a matrix of this text.
    pub fn with_matrix(text: impl AsRef<[u8]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let matrix = folder.path().join("matrix.yaml");
        fs::write(&matrix, text).unwrap();
        Self { folder, matrix }
    }

    /// With the repository's matrix.
    pub fn of_repository() -> Self {
        let matrix = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../matrix.yaml");
        Self { folder: tempfile::tempdir().unwrap(), matrix }
    }

    /// The matrix file.
    pub fn matrix(&self) -> &Path {
        &self.matrix
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where evidence goes. The folder does not exist until there is some.
    pub fn output(&self) -> PathBuf {
        self.path("evidence")
    }

    /// The program with this matrix and output folder, ready for more arguments.
    pub fn command(&self) -> Command {
        let mut command = program();
        command.current_dir(self.folder.path()).arg("--matrix").arg(&self.matrix).arg("--output").arg(self.output());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.command().args(arguments).output().unwrap().into()
    }

    /// Runs `validation bench` to its end.
    pub fn bench(&self, arguments: &[&str]) -> Ended {
        let mut command = program();
        command.current_dir(self.folder.path()).arg("bench").args(arguments);
        command.arg("--matrix").arg(&self.matrix).arg("--output").arg(self.output()).output().unwrap().into()
    }

    /// The folders of all runs, oldest first.
    pub fn runs(&self) -> Vec<PathBuf> {
        let mut runs: Vec<_> = entries(&self.output()).iter().flat_map(|source| entries(source)).collect();
        runs.sort();
        runs
    }

    /// The folder of the only run.
    pub fn only_run(&self) -> PathBuf {
        let runs = self.runs();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs[0].clone()
    }

    /// The records of the only run, whose log must be whole.
    pub fn records(&self) -> Vec<Record> {
        let log = read_log(&self.only_run().join("records.jsonl")).unwrap();
        assert!(log.damage.is_empty() && log.torn_tail.is_none(), "{:?} {:?}", log.damage, log.torn_tail);
        log.records
    }

    /// The cells that the program says it would run.
    pub fn listed(&self, arguments: &[&str]) -> Vec<String> {
        let listing = self.run(&[&["--list", "--format", "terse"], arguments].concat());
        assert_eq!(listing.code, Some(0), "{}", listing.stderr);
        listing
            .stdout
            .lines()
            .map(|line| line.strip_suffix(": test").unwrap_or_else(|| panic!("{line}")).to_owned())
            .collect()
    }
}

impl From<Output> for Ended {
    fn from(Output { status, stdout, stderr }: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }
}

impl Ended {
    /// Everything that it printed.
    pub fn printed(&self) -> String {
        format!("status {:?}\n{}{}", self.code, self.stdout, self.stderr)
    }
}

/// The program without any argument.
pub fn program() -> Command {
    let program = env::var_os("CARGO_BIN_EXE_validation").expect("cargo test says where the program is");
    let mut command = Command::new(program);
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    command
}

/// This machine, as the program sees it.
pub fn machine() -> Machine {
    let answer = program().arg("machine").output().unwrap();
    serde_json::from_slice(&answer.stdout).unwrap()
}

/// The names of the cells of these records, which must all differ.
pub fn names(records: &[Record]) -> BTreeSet<String> {
    let names: BTreeSet<_> = records.iter().map(|record| record.cell.name.clone()).collect();
    assert_eq!(names.len(), records.len(), "a cell is recorded twice");
    names
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}
