//! Cells in, records out: each is judged as it ends, and shown only when its record is durable.

use std::{
    collections::HashSet,
    io,
    sync::mpsc::{self, Sender},
    thread,
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    cell::Cell,
    evidence::{AppendError, Record, Run},
    machine::Machine,
    observation::Outcome,
    plan::{PlannedCell, SkipReason},
    protocol::Recording,
    report::progress::Progress,
    supervisor::{Event, Execution, Job, Supervisor, SupervisorOptions},
    verdict::{Verdict, judge},
};

/// Why the execution did not get to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExecutionError {
    /// Evidence could not be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The system refuses threads.
    #[error("cannot start the supervisor: {0}")]
    Supervisor(#[from] io::Error),
}

/// A cell to be executed, and its recording.
pub struct Selected<'a> {
    /// The cell and whether it can run.
    pub planned: &'a PlannedCell,
    /// Its recorded input, if it has one.
    pub recording: Option<Recording>,
}

/// Executes what was selected and not recorded yet.
pub fn execute(
    run: &Run,
    selected: Vec<Selected<'_>>,
    supervisor: &Supervisor,
    attempt: u32,
) -> Result<Execution, ExecutionError> {
    let recorded: HashSet<&str> = run.recorded_cells();
    let rest: Vec<Selected<'_>> =
        selected.into_iter().filter(|selected| !recorded.contains(selected.planned.cell.name.as_str())).collect();
    let mut progress = Progress::new(rest.len() as u64);
    let (acknowledged, durable) = mpsc::channel();
    let scribe = Scribe { run, acknowledged, attempt };

    let execution = thread::scope(|scope| {
        let shown = scope.spawn(move || {
            for record in durable {
                progress.ended(&record);
            }
            progress.finish();
        });
        let execution = run_cells(&scribe, rest, supervisor);
        // The last sender ends the display.
        drop(scribe);
        let _ = shown.join();
        execution
    });
    run.log().failure().map_or(Ok(execution), |failure| Err(failure.into()))
}

fn run_cells(scribe: &Scribe<'_>, rest: Vec<Selected<'_>>, supervisor: &Supervisor) -> Execution {
    let mut jobs = Vec::new();
    for Selected { planned, recording } in rest {
        match &planned.skip {
            Some(reason) => scribe.skipped(&planned.cell, reason.clone()),
            None => jobs.push(Job { index: jobs.len(), cell: planned.cell.clone(), recording }),
        }
    }
    supervisor.execute(&jobs, &|event| match event {
        Event::Started { .. } => {}
        Event::Ended { index, outcome, elapsed } => scribe.ended(&jobs[index].cell, outcome, elapsed),
    })
}

/// Writes records.
struct Scribe<'a> {
    run: &'a Run,
    acknowledged: Sender<Record>,
    attempt: u32,
}

impl Scribe<'_> {
    fn skipped(&self, cell: &Cell, reason: SkipReason) {
        self.append(cell, None, Verdict::Skip { reason }, Duration::ZERO);
    }

    fn ended(&self, cell: &Cell, outcome: Outcome, elapsed: Duration) {
        let verdict = judge(cell, &outcome);
        self.append(cell, Some(outcome), verdict, elapsed);
    }

    fn append(&self, cell: &Cell, outcome: Option<Outcome>, verdict: Verdict, elapsed: Duration) {
        let record = Record {
            cell: cell.clone(),
            attempt: self.attempt,
            started: Timestamp::now() - elapsed,
            elapsed_ms: elapsed.as_secs_f64() * 1e3,
            program_hash: self.run.environment().program.hash.clone(),
            outcome,
            verdict,
        };
        let acknowledged = self.acknowledged.clone();
        self.run.log().append_then(&record.clone(), move |durable| {
            // What is not durable is not shown; the log keeps the failure, and the run ends with it.
            if durable.is_ok() {
                let _ = acknowledged.send(record);
            }
        });
    }
}

/// One worker for each CPU and for each GPU; `threads` of CPU cells at a time, if it is given.
pub fn start_supervisor(machine: &Machine, threads: Option<usize>, no_capture: bool) -> io::Result<Supervisor> {
    Supervisor::new(SupervisorOptions {
        cpu_workers: threads.unwrap_or(machine.cpus).max(1),
        gpu_workers: machine.gpus.iter().map(|gpu| gpu.uuid.clone()).collect(),
        no_capture,
        ..SupervisorOptions::for_this_program(["worker"])
    })
}
