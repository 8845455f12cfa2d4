//! A run's folder: made once, perhaps resumed, perhaps shared by the processes of one cargo-nextest run.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use robocache_core::subject::Description;

use super::{
    environment::{Environment, EnvironmentError, Filters},
    fact::Fact,
    lock::{LockError, lock},
    log::{Access, AppendError, RecordLog},
    read::{Damage, LogContents, LogError, TornTail, read_log},
    record::Record,
    storage::{self, StorageError},
    tail,
};

/// The record log.
pub const RECORDS: &str = "records.jsonl";
/// What ran, on what.
pub const ENVIRONMENT: &str = "environment.json";
/// What was asked, byte for byte.
pub const MATRIX: &str = "matrix.yaml";

/// How long the only writer of a run waits for a killed predecessor to be gone entirely.
const SUCCESSION: Duration = Duration::from_secs(1);
/// How long one of many processes waits for another to set up their folder.
const SETUP: Duration = Duration::from_secs(30);

/// An open run.
pub struct Run {
    folder: PathBuf,
    environment: Environment,
    earlier: LogContents,
    log: RecordLog,
}

/// Why a run cannot be started or continued.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file or folder cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Another process appends to it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Its records cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Its environment cannot be read.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// There is no such run.
    #[error("there is no run `{which}` under `{root}`; runs are the folders there, or name one by its path", root = root.display())]
    NotFound {
        /// What was asked for.
        which: String,
        /// Where it was looked for.
        root: PathBuf,
    },
    /// There are several runs of this name.
    #[error("several runs are called `{which}`; name one by its path: {paths}", paths = list(folders))]
    Ambiguous {
        /// What was asked for.
        which: String,
        /// Their folders.
        folders: Vec<PathBuf>,
    },
    /// It was killed before its environment was written.
    #[error("`{folder}` has no {ENVIRONMENT}: it was stopped before anything ran; start a new run", folder = .0.display())]
    NeverStarted(PathBuf),
    /// It asked another question, or another program did.
    #[error(
        "the run `{run}` cannot be continued: {differences}; continue it with what it was started with, or start a new run",
        differences = differences.join("; ")
    )]
    Differs {
        /// The run.
        run: String,
        /// What differs, with both values.
        differences: Vec<String>,
    },
    /// The matrix in its folder is no longer what it was.
    #[error("`{path}` is not the matrix that the run was started with: its hash differs from that in {ENVIRONMENT}", path = .0.display())]
    MatrixChanged(PathBuf),
    /// The name of a shared run is unfit to be a folder's.
    #[error("`{0}` cannot name a run: use letters, digits, `-`, `_` and `.`, beginning with a letter or digit")]
    UnfitName(String),
}

impl RunError {
    /// Whether another choice of run or arguments would help, rather than another state of the machine.
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::NotFound { .. }
            | Self::Ambiguous { .. }
            | Self::NeverStarted(_)
            | Self::Differs { .. }
            | Self::MatrixChanged(_)
            | Self::UnfitName(_) => true,
            Self::Storage(_) | Self::Lock(_) | Self::Log(_) | Self::Environment(_) => false,
        }
    }
}

fn list(folders: &[PathBuf]) -> String {
    folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl Run {
    /// Starts a run: a new folder under `root`, with `matrix` as it was read. Nobody else can append to it.
    pub fn create(root: &Path, mut environment: Environment, matrix: &[u8]) -> Result<Self, RunError> {
        let runs = root.join(environment.program.source_folder());
        storage::create_folder(&runs)?;
        let (name, folder) = new_folder(&runs, &environment.run)?;
        environment.run = name;
        let path = folder.join(RECORDS);
        let file = open_log(&path, true)?;
        lock(&file, &path, SUCCESSION)?;
        write_beginning(&folder, &environment, matrix)?;
        let log = RecordLog::start(file, path, Access::Exclusive { next_sequence: 0 })?;
        Ok(Self { folder, environment, earlier: LogContents::default(), log })
    }

    /// Continues a run that ended early. `which` is its path, its name, or `latest`; `environment` is that of now.
    ///
    /// A torn tail is cut off and kept beside the log. The program, the matrix, the profile and the filters must be
    /// those that the run was started with: otherwise its records and the new ones would answer different questions.
    pub fn resume(root: &Path, which: &str, mut environment: Environment) -> Result<Self, RunError> {
        let folder = find(root, which)?;
        let started = read_beginning(&folder)?;
        let path = folder.join(RECORDS);
        let file = open_log(&path, false)?;
        lock(&file, &path, SUCCESSION)?;
        check_continues(&started, &environment)?;
        let earlier = tail::repair(&file, &path)?;
        environment.run.clone_from(&started.run);
        let sequel = (1_u64..).map(|number| folder.join(format!("environment-{number}.json")));
        if let Some(sequel) = sequel.into_iter().find(|path| !path.exists()) {
            storage::write_atomically(&sequel, environment.to_json().as_bytes())?;
        }
        let log = RecordLog::start(file, path, Access::Exclusive { next_sequence: earlier.next_sequence })?;
        Ok(Self { folder, environment: started, earlier, log })
    }

    /// Takes part in a run of many processes, each of which executes some of its cells: the first sets the folder up.
    ///
    /// Filters are not compared: each process has its own, which names its cells.
    pub fn join(root: &Path, name: &str, mut environment: Environment, matrix: &[u8]) -> Result<Self, RunError> {
        check_name(name)?;
        name.clone_into(&mut environment.run);
        environment.selection.filters = Filters::default();
        let folder = root.join(environment.program.source_folder()).join(name);
        storage::create_folder(&folder)?;
        let path = folder.join(RECORDS);
        let file = open_log(&path, true)?;
        lock(&file, &path, SETUP)?;
        let environment = if folder.join(ENVIRONMENT).exists() {
            let started = read_beginning(&folder)?;
            check_continues(&started, &environment)?;
            started
        } else {
            write_beginning(&folder, &environment, matrix)?;
            environment
        };
        file.unlock().map_err(StorageError::at("unlock", &path))?;
        let log = RecordLog::start(file, path, Access::Shared)?;
        Ok(Self { folder, environment, earlier: LogContents::default(), log })
    }

    /// Where its files lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its name, by which it can be resumed.
    pub fn name(&self) -> &str {
        &self.environment.run
    }

    /// The environment that it was started in.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Where records go.
    pub fn log(&self) -> &RecordLog {
        &self.log
    }

    /// What had been recorded before it was resumed; empty for other runs.
    pub fn earlier(&self) -> &[Record] {
        &self.earlier.records
    }

    /// What was found damaged on resuming: the cells of lost records are executed again.
    pub fn damage(&self) -> &[Damage] {
        &self.earlier.damage
    }

    /// What was cut off on resuming.
    pub fn cut_tail(&self) -> Option<&TornTail> {
        self.earlier.torn_tail.as_ref()
    }

    /// Everything that is recorded by now.
    pub fn contents(&self) -> Result<LogContents, LogError> {
        read_log(&self.folder.join(RECORDS))
    }

    /// Writes a rendered report, such as `junit.xml`, and returns its path.
    pub fn write_report(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, StorageError> {
        let path = self.folder.join(name);
        storage::write_atomically(&path, bytes)?;
        Ok(path)
    }

    /// Ends the run: waits for its records, and says whether all of them are durable.
    pub fn close(self) -> Result<(), AppendError> {
        self.log.close()
    }
}

/// What cargo-nextest says of the process that it started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextestRun {
    /// The name of the run that this process takes part in.
    pub name: String,
    /// 1, or more if the cell is being retried.
    pub attempt: u32,
}

impl NextestRun {
    /// Whether cargo-nextest started this process, and for which run.
    pub fn current() -> Option<Self> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let name = variable("NEXTEST").and_then(|_| variable("NEXTEST_RUN_ID"))?;
        let attempt = variable("NEXTEST_ATTEMPT").and_then(|number| number.parse().ok()).unwrap_or(1);
        Some(Self { name: format!("nextest-{name}"), attempt })
    }
}

/// The folder of a run, given by its path, its name, or as `latest`.
pub fn find(root: &Path, which: &str) -> Result<PathBuf, RunError> {
    if which.contains('/') {
        let folder = PathBuf::from(which);
        let not_found = || RunError::NotFound { which: which.to_owned(), root: root.to_owned() };
        return if folder.is_dir() { Ok(folder) } else { Err(not_found()) };
    }
    let mut candidates = all_runs(root)?;
    if which == "latest" {
        let mut started = Vec::new();
        for folder in candidates.into_iter().filter(|folder| folder.join(ENVIRONMENT).exists()) {
            started.push((Environment::read(&folder.join(ENVIRONMENT))?.started, folder));
        }
        candidates = started.into_iter().max().into_iter().map(|(_, folder)| folder).collect();
    } else {
        candidates.retain(|folder| folder.file_name().is_some_and(|name| name == which));
    }
    match (candidates.pop(), candidates.is_empty()) {
        (Some(folder), true) => Ok(folder),
        (Some(folder), false) => {
            candidates.push(folder);
            Err(RunError::Ambiguous { which: which.to_owned(), folders: candidates })
        }
        (None, _) => Err(RunError::NotFound { which: which.to_owned(), root: root.to_owned() }),
    }
}

/// Every folder that may be a run's: two levels below the root.
fn all_runs(root: &Path) -> Result<Vec<PathBuf>, StorageError> {
    let mut runs = Vec::new();
    for source in folders_in(root)? {
        runs.extend(folders_in(&source)?);
    }
    runs.sort();
    Ok(runs)
}

fn folders_in(folder: &Path) -> Result<Vec<PathBuf>, StorageError> {
    let list = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    match list() {
        Ok(mut entries) => {
            entries.retain(|path| path.is_dir());
            Ok(entries)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(StorageError::at("list the runs in", folder)(error)),
    }
}

/// Makes the folder `name`, or the first of `name-2`, `name-3` and so on that did not exist.
fn new_folder(runs: &Path, name: &str) -> Result<(String, PathBuf), StorageError> {
    let mut number = 1;
    loop {
        let name = if number == 1 { name.to_owned() } else { format!("{name}-{number}") };
        let folder = runs.join(&name);
        match fs::create_dir(&folder) {
            Ok(()) => {
                storage::sync_folder_of(&folder)?;
                return Ok((name, folder));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(StorageError::at("create the folder", &folder)(error)),
        }
    }
}

fn open_log(path: &Path, create: bool) -> Result<File, StorageError> {
    OpenOptions::new().read(true).append(true).create(create).open(path).map_err(StorageError::at("open", path))
}

/// The environment comes last: a folder that has one has everything.
fn write_beginning(folder: &Path, environment: &Environment, matrix: &[u8]) -> Result<(), StorageError> {
    storage::write_atomically(&folder.join(MATRIX), matrix)?;
    storage::write_atomically(&folder.join(ENVIRONMENT), environment.to_json().as_bytes())
}

/// The environment of a run that was started, and whose matrix is still what it was.
pub(crate) fn read_beginning(folder: &Path) -> Result<Environment, RunError> {
    let path = folder.join(ENVIRONMENT);
    if !path.exists() {
        return Err(RunError::NeverStarted(folder.to_owned()));
    }
    let environment = Environment::read(&path)?;
    let path = folder.join(MATRIX);
    let matrix = fs::read(&path).map_err(StorageError::at("read", &path))?;
    if blake3::hash(&matrix).to_hex().as_str() != environment.selection.matrix_hash {
        return Err(RunError::MatrixChanged(path));
    }
    Ok(environment)
}

/// Fails if the records of the two would not answer the same question.
fn check_continues(started: &Environment, now: &Environment) -> Result<(), RunError> {
    let differences = differences(started, now);
    if differences.is_empty() { Ok(()) } else { Err(RunError::Differs { run: started.run.clone(), differences }) }
}

/// What keeps the records of the two from answering the same question, a sentence each.
pub(crate) fn differences(started: &Environment, now: &Environment) -> Vec<String> {
    let compared = [
        ("the kind of run", started.selection.kind.to_string(), now.selection.kind.to_string()),
        ("the profile", started.selection.profile.clone(), now.selection.profile.clone()),
        ("the filters", started.selection.filters.to_string(), now.selection.filters.to_string()),
        ("the matrix (its hash)", started.selection.matrix_hash.clone(), now.selection.matrix_hash.clone()),
        ("the program (its hash)", started.program.hash.clone(), now.program.hash.clone()),
        ("the kernel image (its hash)", image(&started.kernel_image), image(&now.kernel_image)),
        ("the subject", describe_subject(started.subject.as_ref()), describe_subject(now.subject.as_ref())),
    ];
    compared
        .into_iter()
        .filter(|(_, then, now)| then != now)
        .map(|(what, then, now)| format!("{what} was {then} and is now {now}"))
        .collect()
}

/// What tells one image of kernels from another.
fn image(hash: &Fact<String>) -> String {
    match hash {
        Fact::Known(hash) => hash.clone(),
        Fact::Missing { missing: _ } => "none".to_owned(),
    }
}

/// What tells one subject from another.
fn describe_subject(subject: Option<&Description>) -> String {
    subject.map_or_else(
        || "none".to_owned(),
        |subject| format!("{} {} of hash {}", subject.name, subject.version, subject.hash),
    )
}

fn check_name(name: &str) -> Result<(), RunError> {
    let fit = name.starts_with(|character: char| character.is_ascii_alphanumeric())
        && name.chars().all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character));
    if fit { Ok(()) } else { Err(RunError::UnfitName(name.to_owned())) }
}
