//! What people see while a run goes on: on a terminal a bar and whatever failed, elsewhere one line for each cell.

use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{output::print_line, terminal::cell_line};
use crate::evidence::Record;

/// Shows records as they are acknowledged.
pub struct Progress {
    bar: ProgressBar,
    failures: u64,
    every_cell: bool,
}

impl Progress {
    /// For a run of so many cells. If `quiet`, only failures get a line.
    pub fn new(cells: u64, quiet: bool) -> Self {
        let on_terminal = stderr().is_terminal();
        let target = if on_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template("{elapsed_precise} [{bar:30.green/dim}] {pos}/{len} {msg}")
            .expect("the template is constant")
            .progress_chars("=> ");
        let bar = ProgressBar::with_draw_target(Some(cells), target).with_style(style);
        if on_terminal {
            bar.enable_steady_tick(Duration::from_millis(250));
        }
        Self { bar, failures: 0, every_cell: !on_terminal && !quiet }
    }

    /// A record is durable.
    pub fn ended(&mut self, record: &Record) {
        self.failures += u64::from(record.verdict.is_failure());
        // Skipped cells did nothing; the summary counts them by reason.
        let executed = record.outcome.is_some();
        if (self.every_cell && executed) || record.verdict.is_failure() {
            self.bar.suspend(|| print_line(cell_line(record)));
        }
        self.bar.set_message(match self.failures {
            0 => record.cell.name.clone(),
            failures => format!("{failures} failed; {}", record.cell.name),
        });
        self.bar.inc(1);
    }

    /// The run is over.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}
