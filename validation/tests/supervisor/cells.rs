//! Cells for a worker of this program, and what became of them.

use std::{
    fs,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use robocache_core::{
    distribution::Distribution,
    dtype::DType,
    parameters::{Parameters, Value},
    random::Seed,
};
use validation::{
    cell::{Cell, Device, Input, Limits},
    dataset::Expectation,
    observation::{Death, Observation, Outcome},
    protocol::Attached,
    suites::{AccuracySettings, Joint, MultiGpuSettings, PerformanceSettings, SuiteSettings, Task},
    supervisor::{Event, Execution, Job, Supervisor, SupervisorOptions},
};

/// Longer than anything here takes on a busy machine: a test that meets it fails.
pub(crate) const AMPLE_MS: u64 = 60_000;

/// A CPU cell that makes the worker do `behaviour`.
pub(crate) fn cell(behaviour: &str) -> Cell {
    Cell {
        name: format!("accuracy::{behaviour}::cpu::f32::nothing::uniform"),
        suite: SuiteSettings::Accuracy(AccuracySettings { random_problems: 0 }),
        operator: behaviour.into(),
        device: Device::Cpu,
        dtype: DType::F32,
        parameters: Parameters::default(),
        input: Input::Generated(Distribution::Uniform),
        seed: Seed::root(0),
        expect: Expectation::Accepted,
        limits: Limits { deadline_ms: AMPLE_MS, memory_bytes: None, fresh_process: false },
    }
}

/// The same with a deadline.
pub(crate) fn cell_within(deadline_ms: u64, behaviour: &str) -> Cell {
    let mut cell = cell(behaviour);
    cell.limits.deadline_ms = deadline_ms;
    cell
}

/// The same, as one that is timed.
pub(crate) fn timed(behaviour: &str) -> Cell {
    let settings = PerformanceSettings {
        samples: 6,
        most_samples: 6,
        noise: 1.0,
        series_ms: 1,
        warm_up_ms: 0,
        thresholds: Vec::new(),
    };
    Cell { suite: SuiteSettings::Performance(settings), ..cell(behaviour) }
}

/// The same, as one of two ranks that need all GPUs.
pub(crate) fn on_all_gpus(behaviour: &str) -> Cell {
    let joint = Some(Joint { world: 2, task: Task::DataParallel });
    let settings = MultiGpuSettings { detection_s: 1, steps: 1, timed_mib: 1, timed_calls: 1, joint };
    Cell { suite: SuiteSettings::MultiGpu(settings), device: Device::Cuda, ..cell(behaviour) }
}

/// The same with an argument of this many bytes.
pub(crate) fn cell_of_size(bytes: usize, behaviour: &str) -> Cell {
    let mut cell = cell(behaviour);
    cell.parameters.set("text", Value::Word("x".repeat(bytes)));
    cell
}

/// A supervisor of this many CPU workers.
pub(crate) fn supervisor(cpu_workers: usize) -> Supervisor {
    Supervisor::new(SupervisorOptions { cpu_workers, ..SupervisorOptions::for_this_program(["as-worker"]) }).unwrap()
}

/// What became of some cells.
pub(crate) struct Run {
    /// In the order of the cells.
    pub(crate) outcomes: Vec<Outcome>,
    /// Positions of the cells in the order in which they ended.
    pub(crate) order: Vec<usize>,
    /// How many were under way at a time, at most.
    pub(crate) most_at_a_time: usize,
}

/// The outcomes of the cells, in their order.
pub(crate) fn execute(supervisor: &Supervisor, cells: impl IntoIterator<Item = Cell>) -> Vec<Outcome> {
    watch(supervisor, cells).outcomes
}

/// Executes the cells. Fails unless each ended exactly once.
pub(crate) fn watch(supervisor: &Supervisor, cells: impl IntoIterator<Item = Cell>) -> Run {
    let jobs: Vec<Job> =
        cells.into_iter().enumerate().map(|(index, cell)| Job { index, cell, attached: Attached::default() }).collect();
    let progress = Mutex::new((vec![None; jobs.len()], Vec::new(), 0, 0));
    let execution = supervisor.execute(&jobs, &|event| {
        let (outcomes, order, started, most_at_a_time) = &mut *progress.lock().unwrap();
        match event {
            Event::Started { .. } => *started += 1,
            Event::Ended { index, outcome, elapsed: _ } => {
                assert_eq!(outcomes[index].replace(outcome), None, "cell {index} ended twice");
                order.push(index);
            }
        }
        *most_at_a_time = (*most_at_a_time).max(usize::saturating_sub(*started, order.len()));
    });
    assert_eq!(execution, Execution::Complete);
    let (outcomes, order, _, most_at_a_time) = progress.into_inner().unwrap();
    let outcomes = outcomes.into_iter().map(|outcome| outcome.expect("an outcome for every cell")).collect();
    Run { outcomes, order, most_at_a_time }
}

/// The outcome of one cell under a supervisor of its own.
pub(crate) fn outcome_of(cell: Cell) -> Outcome {
    execute(&supervisor(1), [cell]).remove(0)
}

/// How the worker died.
pub(crate) fn death(outcome: Outcome) -> Death {
    match outcome {
        Outcome::Died(death) => death,
        other => panic!("expected a death, got {other:?}"),
    }
}

/// Why the harness failed.
pub(crate) fn harness_failure(outcome: Outcome) -> String {
    match outcome {
        Outcome::HarnessFailed { message } => message,
        other => panic!("expected a failure of the harness, got {other:?}"),
    }
}

/// What a behaviour that reports something reported.
pub(crate) fn report(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Observed(observation) => match &**observation {
            Observation::InputRejected { message, .. } => message,
            other => panic!("expected a report, got {other:?}"),
        },
        other => panic!("expected a report, got {other:?}"),
    }
}

/// Fails unless each cell reported something.
pub(crate) fn assert_reports(outcomes: &[Outcome]) {
    for outcome in outcomes {
        report(outcome);
    }
}

/// The number that follows `word` in what a worker printed.
pub(crate) fn number_after(word: &str, text: &str) -> i32 {
    let mut words = text.split_whitespace().skip_while(|&candidate| candidate != word);
    words.nth(1).and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no `{word} NUMBER` in {text:?}"))
}

/// Fails unless the process ends soon. A zombie has ended: nobody may be there to reap an orphan.
pub(crate) fn assert_ends(pid: i32) {
    let begin = Instant::now();
    while is_running(pid) {
        assert!(begin.elapsed() < Duration::from_secs(10), "process {pid} is still running");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the process exists and is not a zombie.
pub(crate) fn is_running(pid: i32) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The state follows the name, which stands in parentheses and may contain any byte.
    let state = status.rsplit(") ").next().and_then(|rest| rest.chars().next());
    !matches!(state, Some('Z' | 'X') | None)
}
