//! The runs of all shards of one selection, summed up as one.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Stop,
    cli::CollectArguments,
    evidence::{Environment, LogContents, Record, StorageError, read_log, run},
    exit::Exit,
    locations,
    report::{junit, last_attempts, print_line, publish_collection},
    shard::Shard,
};

/// Why runs are not the shards of one selection.
#[derive(Debug, thiserror::Error)]
pub enum CollectionError {
    /// They were asked different things, or different programs were.
    #[error("the runs `{first}` and `{other}` do not belong together: {}", .differences.join("; "))]
    Differs {
        /// A run.
        first: String,
        /// Another one.
        other: String,
        /// What differs, with both values.
        differences: Vec<String>,
    },
    /// A run of all cells beside others.
    #[error("the run `{0}` is of no shard: it is complete by itself, and is summed up alone")]
    Whole(String),
    /// The same cells twice.
    #[error("`{}` and `{}` are both runs of shard {shard}: name one of them", .one.display(), .other.display())]
    Twice {
        /// The shard.
        shard: Shard,
        /// The folder of a run.
        one: PathBuf,
        /// That of another.
        other: PathBuf,
    },
    /// Shards of different partitions.
    #[error("`{one}` and `{other}` are shards of different numbers, which overlap: collect shards of one number")]
    Mixed {
        /// A shard.
        one: Shard,
        /// Another.
        other: Shard,
    },
}

/// A run that was read back.
struct Collected {
    folder: PathBuf,
    environment: Environment,
    contents: LogContents,
}

impl Collected {
    fn read(folder: PathBuf) -> Result<Self, Stop> {
        let environment = run::read_beginning(&folder)?;
        let contents = read_log(&folder.join(run::RECORDS))?;
        Ok(Self { folder, environment, contents })
    }

    fn shard(&self) -> Option<Shard> {
        self.environment.selection.filters.shard
    }

    /// What is missing from it, in one sentence.
    fn shortfall(&self, records: &[Record]) -> Option<String> {
        let recorded = records.len() as u64;
        let asked = self.environment.cells.filter(|&cells| cells > recorded)?;
        let (folder, lost) = (self.folder.display(), asked - recorded);
        Some(format!("{lost} of {asked} cells have no verdict in {folder}: finish it with `--resume`"))
    }
}

/// Reads the runs, and says how one run of all their cells would have ended.
pub(crate) fn collect(arguments: &CollectArguments) -> Result<Exit, Stop> {
    let root = locations::output_folder(arguments.output.as_deref())?;
    let folders = arguments.runs.iter().map(|which| run::find(&root, which)).collect::<Result<Vec<_>, _>>()?;
    let mut runs = folders.into_iter().map(Collected::read).collect::<Result<Vec<_>, _>>()?;
    runs.sort_by_key(Collected::shard);
    let mut shortfalls = check(&runs)?;

    for run in &runs {
        for finding in run.contents.findings() {
            print_line(format_args!("damaged evidence in {}: {finding}", run.folder.display()));
        }
    }
    let mut parts: Vec<(&Environment, &Path, Vec<Record>)> = Vec::new();
    for run in &runs {
        let records = last_attempts(run.contents.records.clone(), |_| true);
        shortfalls.extend(run.shortfall(&records));
        parts.push((&run.environment, &run.folder, records));
    }
    if let Some(path) = &arguments.junit {
        let mut contents = LogContents::default();
        for run in &runs {
            contents.records.extend(run.contents.records.iter().cloned());
            contents.damage.extend(run.contents.damage.iter().cloned());
        }
        let report = junit::render(&runs[0].environment, &contents)?;
        fs::write(path, report).map_err(StorageError::at("write", path))?;
    }
    let parts: Vec<_> =
        parts.iter().map(|(environment, folder, records)| (*environment, *folder, &records[..])).collect();
    let (exit, document) = publish_collection(&parts, shortfalls);
    if let Some(path) = &arguments.markdown {
        fs::write(path, document).map_err(StorageError::at("write", path))?;
    }
    Ok(exit)
}

/// Refuses runs that are not shards of one selection, and says which shards are missing.
fn check(runs: &[Collected]) -> Result<Vec<String>, CollectionError> {
    let Some((first, others)) = runs.split_first() else { return Ok(Vec::new()) };
    for other in others {
        let differences = run::differences(&without_shard(&first.environment), &without_shard(&other.environment));
        if !differences.is_empty() {
            let (first, other) = (first.environment.run.clone(), other.environment.run.clone());
            return Err(CollectionError::Differs { first, other, differences });
        }
    }
    let mut seen: BTreeMap<Shard, &Collected> = BTreeMap::new();
    for run in runs {
        let Some(shard) = run.shard() else {
            let whole = CollectionError::Whole(run.environment.run.clone());
            return if runs.len() == 1 { Ok(Vec::new()) } else { Err(whole) };
        };
        if let Some(earlier) = seen.insert(shard, run) {
            return Err(CollectionError::Twice { shard, one: earlier.folder.clone(), other: run.folder.clone() });
        }
    }
    let mut shards = seen.keys().copied();
    let Some(one) = shards.next() else { return Ok(Vec::new()) };
    if let Some(other) = shards.find(|shard| shard.of() != one.of()) {
        return Err(CollectionError::Mixed { one, other });
    }
    let missing: Vec<String> = one.all().filter(|shard| !seen.contains_key(shard)).map(|it| it.to_string()).collect();
    Ok(if missing.is_empty() { Vec::new() } else { vec![format!("no run of shard {}", missing.join(", "))] })
}

/// What the runs of all shards were asked.
fn without_shard(environment: &Environment) -> Environment {
    let mut environment = environment.clone();
    environment.selection.filters.shard = None;
    environment
}
