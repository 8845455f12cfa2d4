//! `validation bench --against`: from the command line to `gate.json`.

use std::{
    env,
    ffi::OsString,
    io::{IsTerminal, stderr},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use robocache_core::registry::Registry;

use super::{Baseline, Comparison, Design, GateError, Launch, Programs, Progress, run, text};
use crate::{
    Ask, Stop,
    cli::GateArguments,
    evidence::{self, Selection},
    execution::Selected,
    exit::Exit,
    plan, selection,
    supervisor::{THIS_PROGRAM, interrupt},
};

/// The file in the run's folder.
const FILE: &str = "gate.json";

/// Compares this program with `against` by the cells that are asked for, and leaves evidence of it.
pub(crate) fn command(registry: &Registry, ask: &Ask, against: &str, asked: &GateArguments) -> Result<Exit, Stop> {
    // Its programs measure their own kernels: the command line takes no file of others.
    let (locations, matrix, machine, plan, _) = plan(registry, ask)?;
    let profile = ask.arguments.profile.as_ref().unwrap_or(&ask.default_profile);
    let selected = selection::select(&plan, &ask.arguments);
    let (skipped, cells): (Vec<Selected<'_>>, Vec<Selected<'_>>) = selected
        .into_iter()
        .map(|planned| locations.attach(&matrix, &machine, planned))
        .partition(|selected| selected.planned.skip.is_some());
    if cells.is_empty() && skipped.is_empty() {
        return Err(Stop::NothingSelected { profile: profile.clone(), launched: None });
    }
    if let Some(selected) = skipped.first().filter(|_| cells.is_empty()) {
        let reason = selected.planned.skip.as_ref().map(ToString::to_string).unwrap_or_default();
        anstream::eprintln!("INCOMPLETE: none of {} selected cells can run here; the first: {reason}", skipped.len());
        return Ok(Exit::Incomplete);
    }
    interrupt::install()?;

    let matrix_hash = Selection::new(profile, evidence::Filters::default(), matrix.text().as_bytes()).matrix_hash;
    let here = env::current_dir()?;
    let baseline = Baseline::find(against, &here, &locations.output, &matrix_hash).map_err(GateError::from)?;
    let mut design = Design::default();
    if let Some(margin) = asked.margin {
        design = design.with_margin(margin);
    }
    if let Some(rounds) = asked.rounds {
        design = design.with_one_look(rounds as usize);
    }
    let comparison =
        Comparison { programs: programs(&baseline, asked.handicap), design, cells: &cells, series: &asked.series };
    let shown = Shown::new();
    let record = run(&comparison, against, asked.handicap, &mut |progress| shown.show(progress))?;
    shown.finish();

    anstream::println!("{}", text(&record));
    if !skipped.is_empty() {
        anstream::println!("not compared, because they cannot run here: {} selected cells", skipped.len());
    }
    let run =
        evidence::open(&locations.output, &matrix, (ask.kind, profile), &machine, (&ask.arguments, None), cells.len())?;
    let path = run.write_report(FILE, record.to_json().as_bytes())?;
    anstream::println!("evidence: {}", path.display());
    run.close()?;
    Ok(record.conclusion.exit())
}

/// The baseline as it is, and this program, slowed down by `handicap`.
pub(super) fn programs(baseline: &Baseline, handicap: f64) -> Programs {
    let mut arguments = vec![OsString::from("measure")];
    let baseline = Launch { program: baseline.program.clone(), arguments: arguments.clone() };
    if handicap > 0.0 {
        arguments.extend(["--slow-down".into(), handicap.to_string().into()]);
    }
    Programs { baseline, candidate: Launch { program: THIS_PROGRAM.into(), arguments } }
}

/// What people see meanwhile: on a terminal a bar, elsewhere a line for each look.
struct Shown {
    bar: Option<ProgressBar>,
}

impl Shown {
    fn new() -> Self {
        let style = ProgressStyle::with_template("{elapsed_precise} [{bar:30.green/dim}] round {pos} of {len}; {msg}")
            .expect("the template is constant")
            .progress_chars("=> ");
        let bar = || ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr()).with_style(style);
        Self { bar: stderr().is_terminal().then(bar) }
    }

    fn show(&self, progress: Progress) {
        let Progress { rounds, rounds_at_look, units, decided } = progress;
        match &self.bar {
            Some(bar) => {
                bar.set_length(rounds_at_look as u64);
                bar.set_position(rounds as u64);
                bar.set_message(format!("{decided} of {units} decided"));
            }
            None if rounds == rounds_at_look => eprintln!("{rounds} rounds of {} series", units - decided),
            None => {}
        }
    }

    fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
