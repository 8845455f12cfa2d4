//! No worker outlives its supervisor, however that one ends.

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Child, Command, ExitCode, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use validation::{
    protocol::Attached,
    supervisor::{Event, Execution, Job, Supervisor, SupervisorOptions, interrupt},
};

use crate::cells::{assert_ends, cell, execute, is_running, number_after, outcome_of, report, supervisor};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("lifetime::killed_supervisor_leaves_no_worker", killed_supervisor),
    ("lifetime::interrupted_supervisor_stops_and_leaves_no_worker", interrupted_supervisor),
    ("lifetime::dropped_supervisor_leaves_no_worker", dropped_supervisor),
    ("lifetime::worker_started_by_hand_says_so", worker_by_hand),
    ("lifetime::standard_input_of_a_worker_is_empty", standard_input),
    ("lifetime::fresh_digest_comes_from_another_process_of_the_group", fresh_digest),
    ("lifetime::fresh_digest_that_fails_says_how", failed_digest),
    ("lifetime::fresh_digest_is_killed_with_its_worker", outliving_digest),
];

/// This program as a supervisor: two cells that end, then two endless ones whose output is forwarded.
pub(crate) fn supervise() -> ExitCode {
    interrupt::install().unwrap();
    let options =
        SupervisorOptions { cpu_workers: 2, no_capture: true, ..SupervisorOptions::for_this_program(["as-worker"]) };
    let behaviours = ["report_pid", "report_pid", "loop_forever", "loop_forever", "report_pid", "report_pid"];
    let jobs: Vec<Job> = behaviours
        .iter()
        .enumerate()
        .map(|(index, behaviour)| Job { index, cell: cell(behaviour), attached: Attached::default() })
        .collect();
    let ended = AtomicUsize::new(0);
    let execution = Supervisor::new(options).unwrap().execute(&jobs, &|event| match event {
        Event::Started { .. } => {}
        Event::Ended { .. } => drop(ended.fetch_add(1, Ordering::Relaxed)),
    });
    match execution {
        Execution::Complete => ExitCode::SUCCESS,
        Execution::Interrupted => ExitCode::from(100 + ended.into_inner() as u8),
        Execution::Stranded => unreachable!("nobody launched ranks"),
    }
}

/// A supervisor process and its two workers, both of which are in an endless loop.
fn busy_supervisor() -> (Child, [i32; 2]) {
    let mut supervisor =
        Command::new(env::current_exe().unwrap()).arg("as-supervisor").stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(supervisor.stderr.take().unwrap()).lines();
    let mut pid = || number_after("worker", &lines.next().unwrap().unwrap());
    let workers = [pid(), pid()];
    assert!(workers.into_iter().all(is_running));
    (supervisor, workers)
}

fn killed_supervisor() {
    let (mut supervisor, workers) = busy_supervisor();
    // One of them stopped: it could not act on anything that needs its own cooperation.
    kill(Pid::from_raw(workers[0]), Signal::SIGSTOP).unwrap();
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    workers.into_iter().for_each(assert_ends);
}

fn interrupted_supervisor() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (mut supervisor, workers) = busy_supervisor();
        kill(Pid::from_raw(supervisor.id() as i32), signal).unwrap();
        assert_eq!(supervisor.wait().unwrap().code(), Some(102), "two cells had ended, the last two were not begun");
        workers.into_iter().for_each(assert_ends);
    }
}

fn dropped_supervisor() {
    let supervisor = supervisor(2);
    let outcomes = execute(&supervisor, vec![cell("sleep"); 4]);
    let workers: Vec<i32> = outcomes.iter().map(|outcome| report(outcome).parse().unwrap()).collect();
    assert!(workers.iter().all(|&pid| is_running(pid)), "warm workers went cold");
    drop(supervisor);
    workers.into_iter().for_each(assert_ends);
}

fn worker_by_hand() {
    let output = Command::new(env::current_exe().unwrap()).arg("as-worker").stdin(Stdio::null()).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(message.contains("a worker is started by its supervisor, not by hand"), "{message}");
}

fn standard_input() {
    assert_eq!(report(&outcome_of(cell("report_standard_input"))), "0");
}

fn fresh_digest() {
    let outcome = outcome_of(cell("digest"));
    let text = report(&outcome);
    let (worker, nested, group) =
        (number_after("pid", text), number_after("nested", text), number_after("group", text));
    assert_ne!(nested, worker);
    assert_eq!(group, worker);
    assert_ends(nested);
}

fn failed_digest() {
    let supervisor = supervisor(1);
    let cells = ["digest_panics", "digest_exits", "digest_loops"].map(cell);
    let outcomes = execute(&supervisor, cells);
    assert!(report(&outcomes[0]).starts_with("panicked: no digest at "), "{:?}", outcomes[0]);
    assert_eq!(report(&outcomes[1]), "the fresh process ended without an answer (exit code 9)");
    assert_eq!(report(&outcomes[2]), "the fresh process gave no answer within 200 ms");
}

fn outliving_digest() {
    let mut cell = cell("digest_outlives_deadline");
    cell.limits.deadline_ms = 700;
    let outcome = outcome_of(cell);
    let validation::observation::Outcome::DeadlineExceeded { output_tail, .. } = outcome else { panic!("{outcome:?}") };
    assert_ends(number_after("nested", &output_tail));
}
