//! One library taken through the suites once: the ordinary way of a cell, in worker processes with deadlines.

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use super::{Alarm, FORMAT, SuiteResult, Trial, library::Library, toolchain::Toolchain};
use crate::{
    cell::Cell,
    observation::Outcome,
    protocol::Attached,
    supervisor::{Event, Execution, Job, Supervisor, SupervisorOptions},
    verdict::{Verdict, judge},
};

/// The cells of one suite.
pub(super) struct SuiteCells {
    pub(super) suite: String,
    pub(super) cells: Vec<Cell>,
}

/// Runs every suite until it finds something or has run all its cells. `None` if the run was interrupted.
///
/// Each suite has a worker of its own: a library that behaves differently after some calls, or that damages its process,
/// must be found by each from the start.
pub(super) fn run(
    toolchain: &Toolchain,
    library: &Library,
    repeat: u32,
    suites: &[SuiteCells],
) -> io::Result<Option<Trial>> {
    let begin = Instant::now();
    let mut results = Vec::new();
    for suite in suites {
        match run_suite(toolchain, library, repeat, suite)? {
            Some(result) => results.push(result),
            None => return Ok(None),
        }
    }
    Ok(Some(Trial {
        format: FORMAT,
        name: library.specimen.name.clone(),
        repeat,
        library_hash: library.implementation.hash().to_owned(),
        suites: results,
        elapsed_ms: begin.elapsed().as_secs_f64() * 1e3,
    }))
}

fn run_suite(
    toolchain: &Toolchain,
    library: &Library,
    repeat: u32,
    suite: &SuiteCells,
) -> io::Result<Option<SuiteResult>> {
    let begin = Instant::now();
    let (cpu_workers, gpu_workers) = toolchain.workers();
    let supervisor = Supervisor::new(SupervisorOptions {
        cpu_workers,
        gpu_workers,
        ..SupervisorOptions::for_this_program(library.implementation.worker_arguments())
    })?;
    let mut result = SuiteResult { suite: suite.suite.clone(), cells: 0, alarm: None, error: None };
    let operators = &library.specimen.operators;
    for cell in &suite.cells {
        if !operators.is_empty() && !operators.contains(&cell.operator) {
            continue;
        }
        let cell = of_repeat(cell, repeat);
        let Some(outcome) = execute(&supervisor, &cell) else { return Ok(None) };
        result.cells += 1;
        match judge(&cell, &outcome) {
            Verdict::Pass => continue,
            // Cells that cannot be run are not among those of the suite.
            Verdict::Skip { reason } => result.error = Some(format!("{cell} was skipped: {reason}")),
            Verdict::Error { message } => result.error = Some(format!("{cell}: {message}")),
            verdict @ (Verdict::Fail { .. } | Verdict::Timeout { .. } | Verdict::Crash { .. }) => {
                let detected_ms = begin.elapsed().as_secs_f64() * 1e3;
                result.alarm = Some(Alarm { cell: cell.name, verdict, detected_ms });
            }
        }
        break;
    }
    Ok(Some(result))
}

/// The cell with the data of a repeat: those of the first are those of the matrix.
fn of_repeat(cell: &Cell, repeat: u32) -> Cell {
    let seed = if repeat == 0 { cell.seed } else { cell.seed.derive(&format!("repeat {repeat}")) };
    Cell { seed, ..cell.clone() }
}

/// How the cell ended; `None` if the run was interrupted first.
fn execute(supervisor: &Supervisor, cell: &Cell) -> Option<Outcome> {
    let ended = Mutex::new(None);
    let job = Job { index: 0, cell: cell.clone(), attached: Attached::default() };
    let execution = supervisor.execute(&[job], &|event| match event {
        Event::Started { .. } => {}
        Event::Ended { index: _, outcome, elapsed: _ } => {
            *ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        }
    });
    let outcome = ended.into_inner().unwrap_or_else(PoisonError::into_inner);
    match execution {
        Execution::Complete => outcome,
        Execution::Interrupted | Execution::Stranded => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use robocache_core::{distribution::Distribution, dtype::DType, parameters::Parameters, random::Seed};

    use super::*;
    use crate::{
        cell::{Device, Input, Limits},
        dataset::Expectation,
        suites::{AccuracySettings, SuiteSettings},
    };

    #[test]
    fn each_repeat_has_other_data_and_the_same_every_time() {
        let cell = Cell {
            name: "accuracy::resample::cpu::f32::b1::uniform".into(),
            suite: SuiteSettings::Accuracy(AccuracySettings { random_problems: 0 }),
            operator: "resample".into(),
            device: Device::Cpu,
            dtype: DType::F32,
            parameters: Parameters::default(),
            input: Input::Generated(Distribution::Uniform),
            seed: Seed::root(5),
            expect: Expectation::Accepted,
            limits: Limits { deadline_ms: 1, memory_bytes: None, fresh_process: false },
        };
        let seeds = || (0..100).map(|repeat| serde_json::to_string(&of_repeat(&cell, repeat).seed).unwrap());
        assert_eq!(of_repeat(&cell, 0), cell);
        assert_eq!(seeds().collect::<BTreeSet<_>>().len(), 100);
        assert!(seeds().eq(seeds()));
    }
}
