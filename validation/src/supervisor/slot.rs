//! A place where one cell runs at a time: it keeps a worker warm and replaces it when that can no longer be trusted.

use std::{fs, time::Duration};

use super::{
    Allowances, Job,
    process::{Answer, Launch, Process, cause},
};
use crate::{
    observation::{Observation, Outcome},
    protocol::{Request, Response, encode},
};

/// How long it may take at least to make the inputs of a cell again.
const EXHIBIT_DEADLINE: Duration = Duration::from_secs(10);

/// One worker and how to make another.
pub(super) struct Slot {
    launch: Launch,
    warm: Option<Process>,
    allowances: Allowances,
    was_started: bool,
}

/// What came of a cell that a slot was to execute.
pub(super) enum Ran {
    /// It ended.
    Ended(Outcome),
    /// The run was cancelled before it ended.
    Cancelled,
    /// It did not begin: ranks that its worker needs are lost.
    Stranded,
}

impl Slot {
    /// A slot whose first worker starts with its first cell.
    pub(super) const fn new(launch: Launch, allowances: Allowances) -> Self {
        Self { launch, warm: None, allowances, was_started: false }
    }

    /// Executes one cell, until it ends or `cancelled` holds.
    pub(super) fn run(&mut self, job: &Job, cancelled: &dyn Fn() -> bool) -> Ran {
        let limits = job.cell.limits;
        let request = Request::Execute { cell: Box::new(job.cell.clone()), attached: job.attached.clone() };
        let frame = match encode(&request) {
            Ok(frame) => frame,
            Err(error) => return Ran::Ended(harness_failed(format!("the cell cannot be sent to a worker: {error}"))),
        };
        // One that died or spoke between two cells is dropped, which kills what is left of its group.
        let warm = if limits.fresh_process { None } else { self.warm.take().filter(Process::is_idle) };
        let gathering = if warm.is_some() { Duration::ZERO } else { self.allowances.gathering };
        // Those ranks ended with the worker that had gathered them.
        if self.was_started && !gathering.is_zero() {
            return Ran::Stranded;
        }
        self.was_started = true;
        let mut process = match warm.map_or_else(|| self.launch.start(), Ok) {
            Ok(process) => process,
            Err(error) => {
                let program = self.launch.program.display();
                return Ran::Ended(harness_failed(format!("the worker program {program} cannot be started: {error}")));
            }
        };
        let answer = process.exchange(&frame, Duration::from_millis(limits.deadline_ms) + gathering, cancelled);
        let (ran, survivor) = conclude(process, answer, limits.deadline_ms);
        if !limits.fresh_process {
            self.warm = survivor;
        }
        ran
    }

    /// Has a new worker show the inputs of a cell, if an exhibit is wanted and the code under test kept its own worker from
    /// leaving one. Whatever goes wrong here, the outcome is known.
    pub(super) fn exhibit(&self, job: &Job, outcome: &Outcome, cancelled: &dyn Fn() -> bool) {
        let Some(path) = job.attached.exhibit.as_ref().filter(|_| shows_nothing(outcome)) else { return };
        // It may be half written.
        let _ = fs::remove_file(path);
        let request = Request::Exhibit { cell: Box::new(job.cell.clone()), attached: job.attached.clone() };
        let (Ok(frame), Ok(mut process)) = (encode(&request), self.launch.start()) else { return };
        let limit = Duration::from_millis(job.cell.limits.deadline_ms).max(EXHIBIT_DEADLINE);
        let _ = process.exchange(&frame, limit, cancelled);
    }

    /// Ends the worker whatever state it is in.
    pub(super) fn discard_worker(&mut self) {
        self.warm = None;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Allowances { gathering: _, farewell } = self.allowances;
        if let Some(idle) = self.warm.take().filter(|_| !farewell.is_zero()) {
            idle.dismiss(farewell);
        }
    }
}

/// Whether the worker did not get to the point at which it shows what was wrong.
fn shows_nothing(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Died(_) | Outcome::DeadlineExceeded { .. } => true,
        Outcome::HarnessFailed { .. } => false,
        Outcome::Observed(observation) => match &**observation {
            Observation::OperatorFailed(_) | Observation::Panicked { .. } => true,
            Observation::Determinism(_)
            | Observation::Accuracy(_)
            | Observation::LaunchCount(_)
            | Observation::BackwardCompat(_)
            | Observation::MultiGpu(_)
            | Observation::Performance(_)
            | Observation::InputRejected { .. } => false,
        },
    }
}

/// What an answer means, and the worker if it can be given another cell.
fn conclude(process: Process, answer: Answer, deadline_ms: u64) -> (Ran, Option<Process>) {
    let outcome = match answer {
        Answer::Response(Response::Observed(observation)) => {
            let survivor = leaves_worker_sound(&observation).then_some(process);
            return (Ran::Ended(Outcome::Observed(observation)), survivor);
        }
        Answer::Response(Response::Refused(message)) => {
            return (Ran::Ended(Outcome::HarnessFailed { message }), Some(process));
        }
        Answer::Response(Response::Stranded) => return (Ran::Stranded, Some(process)),
        Answer::Response(Response::Ready | Response::Digest(_) | Response::Exhibited) => {
            let tail = process.end().output_tail;
            harness_failed(format!("the worker answered another question than it was asked{}", quoted(&tail)))
        }
        Answer::Closed => closed(process),
        Answer::DeadlineExceeded => Outcome::DeadlineExceeded { deadline_ms, output_tail: process.end().output_tail },
        Answer::Violation(violation) => {
            let tail = process.end().output_tail;
            harness_failed(format!("the worker broke the protocol: {violation}{}", quoted(&tail)))
        }
        Answer::Cancelled => return (Ran::Cancelled, None),
    };
    (Ran::Ended(outcome), None)
}

fn closed(process: Process) -> Outcome {
    let was_ready = process.was_ready();
    match process.death() {
        Some(death) if was_ready => Outcome::Died(death),
        Some(death) => {
            let (cause, tail) = (cause(&death), quoted(&death.output_tail));
            harness_failed(format!("the worker ended ({cause}) before it was ready{tail}"))
        }
        None => harness_failed("the worker closed its connection, but did not end until it was killed".into()),
    }
}

/// Whether the process that observed this may run another cell. After a panic, locks may be poisoned and invariants
/// of the code under test broken; after a sticky error, the device refuses everything.
fn leaves_worker_sound(observation: &Observation) -> bool {
    match observation {
        Observation::Determinism(_)
        | Observation::Accuracy(_)
        | Observation::LaunchCount(_)
        | Observation::BackwardCompat(_)
        | Observation::MultiGpu(_)
        | Observation::Performance(_)
        | Observation::InputRejected { .. } => true,
        Observation::OperatorFailed(failure) => !failure.sticky,
        Observation::Panicked { .. } => false,
    }
}

fn harness_failed(message: String) -> Outcome {
    Outcome::HarnessFailed { message }
}

fn quoted(tail: &str) -> String {
    if tail.trim().is_empty() { String::new() } else { format!("; it had printed:\n{}", tail.trim_end()) }
}
