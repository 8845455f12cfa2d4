//! All trials, a few at a time; each is written down as it ends.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    sync::{atomic::AtomicUsize, mpsc},
    thread,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    Role, Trial,
    library::{Library, take},
    toolchain::Toolchain,
    trial::{self, SuiteCells},
};
use crate::evidence::StorageError;

/// How often each specimen is run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repeats {
    pub(super) mutants: u32,
    pub(super) controls: u32,
}

/// What stopped a campaign.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    #[error("interrupted")]
    Interrupted,
    #[error(transparent)]
    System(#[from] io::Error),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Runs every library as often as it is to be run, and appends each trial to the file at `journal`.
pub(super) fn run(
    toolchain: &Toolchain,
    libraries: &[Library],
    repeats: Repeats,
    suites: &[SuiteCells],
    threads: usize,
    journal: &Path,
) -> Result<Vec<Trial>, Stopped> {
    let mut file =
        OpenOptions::new().append(true).create_new(true).open(journal).map_err(StorageError::at("create", journal))?;
    let tasks: Vec<(&Library, u32)> = libraries.iter().flat_map(|library| tasks(library, repeats)).collect();
    let progress = progress(tasks.len());
    let next = AtomicUsize::new(0);
    let (ended, trials) = mpsc::channel();
    let trials = thread::scope(|scope| {
        for _ in 0..threads.min(tasks.len()) {
            let ended = ended.clone();
            scope.spawn(|| {
                let ended = ended;
                while let Some((_, (library, repeat))) = take(&next, &tasks) {
                    let trial = trial::run(toolchain, library, *repeat, suites);
                    let is_last = !matches!(trial, Ok(Some(_)));
                    // Who no longer listens has met an error.
                    if ended.send(trial).is_err() || is_last {
                        return;
                    }
                }
            });
        }
        drop(ended);
        let mut all = Vec::new();
        for trial in trials {
            let trial = trial?.ok_or(Stopped::Interrupted)?;
            append(&mut file, &trial).map_err(StorageError::at("append to", journal))?;
            progress.inc(1);
            all.push(trial);
        }
        Ok::<_, Stopped>(all)
    })?;
    progress.finish_and_clear();
    file.sync_all().map_err(StorageError::at("sync", journal))?;
    Ok(trials)
}

fn tasks(library: &Library, repeats: Repeats) -> impl Iterator<Item = (&Library, u32)> {
    let repeats = match library.specimen.role {
        Role::Mutant { .. } => repeats.mutants,
        Role::Control => repeats.controls,
    };
    (0..repeats).map(move |repeat| (library, repeat))
}

fn append(file: &mut File, trial: &Trial) -> io::Result<()> {
    let mut line = serde_json::to_vec(trial)?;
    line.push(b'\n');
    file.write_all(&line)
}

fn progress(tasks: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{elapsed_precise} [{bar:30.green/dim}] trial {pos} of {len}")
        .expect("the template is constant")
        .progress_chars("=> ");
    ProgressBar::with_draw_target(Some(tasks as u64), ProgressDrawTarget::stderr()).with_style(style)
}
