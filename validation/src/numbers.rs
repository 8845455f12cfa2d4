//! `docs/perf_numbers.md`, made of published runs.

use std::{fs, path::Path};

use crate::{
    Stop,
    cli::RunArguments,
    evidence::{Environment, Record, RunError, StorageError, read_log, run},
    exit::Exit,
    locations::Locations,
    report::{last_attempts, numbers, performance, print_line},
};

/// Why a run cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum NumbersError {
    /// Nothing was timed in it.
    #[error("the run `{0}` holds no times: name a run of `validation bench`")]
    NoTimes(String),
    /// Its times are not those of the program that people use.
    #[error(
        "the run `{0}` was made by a debug build: time a release build, `cargo run --release -p validation -- bench`"
    )]
    DebugBuild(String),
    /// Its times are those of a library under test.
    #[error("the run `{run}` timed the subject {subject}: published numbers are those of this program's own operators")]
    OfSubject {
        /// The run.
        run: String,
        /// The subject's name and version.
        subject: String,
    },
}

/// A run that was read back.
pub struct Published {
    /// What ran, on what.
    pub environment: Environment,
    /// The last attempt at each cell.
    pub records: Vec<Record>,
}

impl Published {
    /// Reads a run's folder.
    pub fn read(folder: &Path) -> Result<Self, Stop> {
        let environment = Environment::read(&folder.join(run::ENVIRONMENT)).map_err(RunError::from)?;
        let records = last_attempts(read_log(&folder.join(run::RECORDS))?.records, |_| true);
        let name = || environment.run.clone();
        if environment.program.build != "release" {
            return Err(NumbersError::DebugBuild(name()).into());
        }
        if let Some(subject) = &environment.subject {
            return Err(NumbersError::OfSubject { run: name(), subject: subject.to_string() }.into());
        }
        if performance::rows(&records).is_empty() {
            return Err(NumbersError::NoTimes(name()).into());
        }
        Ok(Self { environment, records })
    }
}

/// Writes the document beside the matrix from these runs, given by path, by name, or as `latest`.
pub(crate) fn write_document(arguments: &RunArguments, which: &[String]) -> Result<Exit, Stop> {
    let locations = Locations::find(arguments)?;
    let folders = which.iter().map(|which| run::find(&locations.output, which)).collect::<Result<Vec<_>, _>>()?;
    let runs = folders.iter().map(|folder| Published::read(folder)).collect::<Result<Vec<_>, _>>()?;
    let document = numbers::render(&runs);
    let path = locations.matrix.with_file_name("docs").join("perf_numbers.md");
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, document));
    written.map_err(StorageError::at("write", &path))?;
    print_line(format_args!(
        "{}\n\nEvidence is ignored by git unless it is published. To publish these runs:\n",
        path.display()
    ));
    for folder in &folders {
        let folder = folder.display();
        let files = "{environment.json,matrix.yaml,records.jsonl,performance.svg}";
        print_line(format_args!("git add --force {folder}/{files}"));
    }
    Ok(Exit::Passed)
}
