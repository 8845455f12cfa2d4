//! Cells in, records out: each is judged as it ends, and shown only when its record is durable.

use std::{
    collections::{BTreeSet, HashMap},
    ffi::OsString,
    io,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        mpsc::{self, Sender},
    },
    thread,
    time::Duration,
};

use jiff::Timestamp;
use libtest_mimic::Arguments;

use crate::{
    bundle::{Failure, Keeper},
    cell::{Cell, Device},
    evidence::{AppendError, Fact, NextestRun, Record, Run},
    machine::Machine,
    matrix::Kind,
    observation::Outcome,
    plan::PlannedCell,
    protocol::{Attached, Recording},
    ranks::Deadlines,
    report::progress::Progress,
    supervisor::{Allowances, Event, Execution, Job, Supervisor, SupervisorOptions, interrupt},
    verdict::{Verdict, judge},
};

/// Why the execution did not get to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExecutionError {
    /// Evidence could not be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// Workers could leave nothing.
    #[error("cannot make a folder for the workers within that of the run: {0}")]
    Exhibits(#[source] io::Error),
    /// The system refuses threads.
    #[error("cannot start the supervisor: {0}")]
    Supervisor(#[from] io::Error),
}

/// A cell to be executed, and the files that it reads.
pub struct Selected<'a> {
    /// The cell and whether it can run.
    pub planned: &'a PlannedCell,
    /// Its recorded input, if it has one.
    pub recording: Option<Recording>,
    /// The file of its golden, if its input is one.
    pub golden: Option<PathBuf>,
}

/// How cells are executed and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// How often a cell that crashed or timed out is executed again.
    pub retries: u32,
    /// Whether only failures get a line.
    pub quiet: bool,
}

/// Executes what was selected and not recorded yet. A cell that crashed or timed out is executed up to [`Manner::retries`]
/// times more; one whose bits are wrong is not: a wrong answer that comes and goes is a wrong answer.
pub fn execute(
    run: &Run,
    selected: Vec<Selected<'_>>,
    supervisor: &Supervisor,
    Manner { retries, quiet }: Manner,
) -> Result<Execution, ExecutionError> {
    let earlier: HashMap<&str, &Record> =
        run.earlier().iter().map(|record| (record.cell.name.as_str(), record)).collect();
    let is_settled = |record: &&Record| !is_retried(&record.verdict) || record.attempt > retries;
    let rest: Vec<Selected<'_>> = selected
        .into_iter()
        .filter(|selected| !earlier.get(selected.planned.cell.name.as_str()).is_some_and(is_settled))
        .collect();
    let mut progress = Progress::new(rest.len() as u64, quiet);
    let (acknowledged, durable) = mpsc::channel();
    let keeper = Keeper::new(run.folder(), run.environment()).map_err(ExecutionError::Exhibits)?;

    let execution = thread::scope(|scope| {
        let shown = scope.spawn(move || {
            for record in durable {
                progress.ended(&record);
            }
            progress.finish();
        });
        let by_nextest = NextestRun::current().map_or(0, |nextest| nextest.attempt.saturating_sub(1));
        let attempts = |cell: &Cell| earlier.get(cell.name.as_str()).map_or(by_nextest, |record| record.attempt);
        let scribe = Scribe { run, keeper: &keeper, earlier_attempts: &attempts, acknowledged };
        let execution = run_cells(&scribe, rest, supervisor, retries);
        // The last sender ends the display.
        drop(scribe);
        let _ = shown.join();
        execution
    });
    run.log().failure().map_or(Ok(execution), |failure| Err(failure.into()))
}

fn run_cells(scribe: &Scribe<'_>, rest: Vec<Selected<'_>>, supervisor: &Supervisor, retries: u32) -> Execution {
    let mut jobs = Vec::new();
    for Selected { planned, recording, golden } in rest {
        match &planned.skip {
            Some(reason) => {
                let verdict = Verdict::Skip { reason: reason.clone() };
                scribe.append(&planned.cell, 1, None, verdict, (None, Duration::ZERO));
            }
            None => {
                let (index, cell) = (jobs.len(), planned.cell.clone());
                let exhibit = Some(scribe.keeper.exhibit(index));
                let attached = Attached { recording, golden, inputs: None, exhibit };
                jobs.push(Job { index, cell, attached });
            }
        }
    }
    for attempt in 1..=retries + 1 {
        let unlucky = Mutex::new(BTreeSet::new());
        let cells: HashMap<usize, &Cell> = jobs.iter().map(|job| (job.index, &job.cell)).collect();
        let execution = supervisor.execute(&jobs, &|event| match event {
            Event::Started { .. } => {}
            Event::Ended { index, outcome, elapsed } => {
                let verdict = judge(cells[&index], &outcome);
                let left = retries.saturating_sub((scribe.earlier_attempts)(cells[&index]));
                if is_retried(&verdict) && attempt <= left {
                    unlucky.lock().unwrap_or_else(PoisonError::into_inner).insert(index);
                }
                let failure = Failure {
                    cell: cells[&index],
                    attempt: (scribe.earlier_attempts)(cells[&index]).saturating_add(attempt),
                    outcome: &outcome,
                    verdict: &verdict,
                };
                let bundle = scribe.keeper.keep(&failure, &scribe.keeper.exhibit(index));
                scribe.append(cells[&index], attempt, Some(outcome), verdict, (bundle, elapsed));
            }
        });
        let unlucky = unlucky.into_inner().unwrap_or_else(PoisonError::into_inner);
        jobs.retain(|job| unlucky.contains(&job.index));
        match execution {
            Execution::Complete if !jobs.is_empty() => {}
            Execution::Complete | Execution::Interrupted | Execution::Stranded => return execution,
        }
    }
    Execution::Complete
}

/// Whether another attempt may help: the machine may have been at fault.
fn is_retried(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Pass | Verdict::Fail { .. } | Verdict::Skip { .. } => false,
        Verdict::Timeout { .. } | Verdict::Crash { .. } | Verdict::Error { .. } => true,
    }
}

/// Writes records, and passes them on when they are durable.
struct Scribe<'a> {
    run: &'a Run,
    keeper: &'a Keeper<'a>,
    /// Attempts at a cell before this execution: in the part of a run that is being resumed, or by cargo-nextest in
    /// other processes.
    earlier_attempts: &'a (dyn Fn(&Cell) -> u32 + Sync),
    acknowledged: Sender<Record>,
}

impl Scribe<'_> {
    fn append(
        &self,
        cell: &Cell,
        attempt: u32,
        outcome: Option<Outcome>,
        verdict: Verdict,
        rest: (Option<Fact<String>>, Duration),
    ) {
        let (bundle, elapsed) = rest;
        let record = Record {
            cell: cell.clone(),
            attempt: (self.earlier_attempts)(cell).saturating_add(attempt),
            started: Timestamp::now() - elapsed,
            elapsed_ms: elapsed.as_secs_f64() * 1e3,
            program_hash: self.run.environment().program.hash.clone(),
            subject_hash: self.run.environment().subject.as_ref().map(|subject| subject.hash.clone()),
            outcome,
            verdict,
            bundle,
        };
        let acknowledged = self.acknowledged.clone();
        self.run.log().append_then(&record.clone(), move |durable| match durable {
            Ok(_) => drop(acknowledged.send(record)),
            // Without evidence there is no point in going on; the log keeps the reason, and the run ends with it.
            Err(_) => interrupt::request(),
        });
    }
}

/// How long a worker may take to tell ranks that a launcher started that they may end, which must not look like a crash.
const FAREWELL: Duration = Duration::from_secs(10);

/// The `CUDA_VISIBLE_DEVICES` of the worker of GPU `own`: that one first, the others behind it for comparison.
fn visible_gpus(machine: &Machine, own: usize) -> String {
    let gpus = machine.gpus.iter().cycle().skip(own).take(machine.gpus.len());
    gpus.map(|gpu| gpu.uuid.as_str()).collect::<Vec<_>>().join(",")
}

/// One worker for each CPU, or as many as `--test-threads` says, one for each GPU and one for all of them. Timed cells run one at a time and
/// all on the first GPU: one worker of each kind is enough for them.
pub fn start_supervisor(
    machine: &Machine,
    kind: Kind,
    arguments: &Arguments,
    worker_arguments: Vec<OsString>,
) -> io::Result<Supervisor> {
    let (cpu_workers, gpus) = match kind {
        // Ranks that a launcher started have one leader.
        Kind::Validation if machine.launched.is_some() => (1, machine.gpus.len()),
        Kind::Validation => (arguments.test_threads.unwrap_or(machine.cpus).max(1), machine.gpus.len()),
        Kind::Benchmark => (1, machine.gpus.len().min(1)),
    };
    Supervisor::new(SupervisorOptions {
        cpu_workers,
        gpu_workers: (0..gpus).map(|own| visible_gpus(machine, own)).collect(),
        all_gpus_worker: (gpus > 0).then(|| visible_gpus(machine, 0)),
        no_capture: arguments.nocapture,
        allowances: machine.launched.map_or_else(Allowances::default, |_| Allowances {
            gathering: Deadlines::DEFAULT.rendezvous,
            farewell: FAREWELL,
        }),
        ..SupervisorOptions::for_this_program(worker_arguments)
    })
}

/// One worker for cells of this device, which no matrix and no run stands behind.
pub(crate) fn start_replayer(
    device: Device,
    machine: &Machine,
    worker_arguments: Vec<OsString>,
) -> io::Result<Supervisor> {
    let visible = match device {
        Device::Cpu => None,
        Device::Cuda => Some(visible_gpus(machine, 0)),
    };
    Supervisor::new(SupervisorOptions {
        gpu_workers: visible.clone().into_iter().collect(),
        all_gpus_worker: visible,
        ..SupervisorOptions::for_this_program(worker_arguments)
    })
}
