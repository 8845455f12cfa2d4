//! What the runner costs: trivial cells a second, through live workers and with a fresh process each.
//!
//! `cargo bench -p validation --bench runner` prints both beside the bare system calls that they cannot do without,
//! measured in the same run, alternating, so that a busy machine slows both. The best of several rounds counts: noise
//! only ever adds time. This program is its own worker.

use std::{
    env,
    io::{Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    process::{Command, ExitCode},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use robocache_core::{distribution::Distribution, dtype::DType, parameters::Parameters, random::Seed};
use validation::{
    cell::{Cell, Device, Input, Limits},
    dataset::Expectation,
    observation::{AccuracyFacts, Observation, Outcome},
    protocol::Attached,
    suites::{AccuracySettings, SuiteSettings},
    supervisor::{Event, Execution, Job, Supervisor, SupervisorOptions},
    worker,
};

/// Cells a second that live workers must reach.
const REQUIRED_LIVE: f64 = 5_000.0;
/// Cells a second that fresh processes must reach.
const REQUIRED_FRESH: f64 = 500.0;

fn main() -> ExitCode {
    match env::args().nth(1).as_deref() {
        Some("worker") => serve(),
        Some("echo") => echo(),
        Some("exit") => ExitCode::SUCCESS,
        // `cargo test --all-targets` runs benchmarks too, without this argument: once is enough to see that they work.
        Some("--bench") => measure(5, 20_000, 1_000),
        Some(_) | None => measure(1, 200, 20),
    }
}

fn serve() -> ExitCode {
    let observe = |_: &Cell, _: &Attached| {
        Ok(Observation::Accuracy(Box::new(AccuracyFacts {
            outputs: Vec::new(),
            exact: true,
            unwritten: Vec::new(),
            guard_violation: None,
            mutated_input: None,
            random_problems: 0,
            counterexample: None,
        })))
    };
    match worker::serve(|| false, observe, |_, _| Ok(Vec::new()), |_, _| Ok(())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The other end of a bare round trip: every byte that comes goes back.
fn echo() -> ExitCode {
    let socket: OwnedFd = std::io::stdin().as_fd().try_clone_to_owned().expect("a socket as standard input");
    let mut socket = UnixStream::from(socket);
    let mut byte = [0];
    while socket.read_exact(&mut byte).is_ok() && socket.write_all(&byte).is_ok() {}
    ExitCode::SUCCESS
}

fn measure(rounds: usize, live_cells: usize, fresh_cells: usize) -> ExitCode {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let options = SupervisorOptions { cpu_workers: workers, ..SupervisorOptions::for_this_program(["worker"]) };
    let supervisor = Supervisor::new(options).expect("threads for the slots");
    cells_per_second(&supervisor, 10 * workers, false);

    let (mut round_trip, mut live, mut spawn, mut fresh) = (0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64);
    for _ in 0..rounds {
        round_trip = round_trip.max(in_parallel(workers, live_cells, round_trips));
        live = live.max(cells_per_second(&supervisor, live_cells, false));
        spawn = spawn.max(in_parallel(workers, fresh_cells, spawns));
        fresh = fresh.max(cells_per_second(&supervisor, fresh_cells, true));
    }
    println!("{workers} at a time, best of {rounds} rounds");
    println!("{:<24} {:>12} {:>12} {:>9} {:>22}", "", "cells/s", "required", "bare/s", "cost in bare calls");
    print_row("live workers", live, REQUIRED_LIVE, round_trip, "round trips");
    print_row("fresh process each", fresh, REQUIRED_FRESH, spawn, "spawn + wait");
    ExitCode::from(u8::from(rounds > 1 && (live < REQUIRED_LIVE || fresh < REQUIRED_FRESH)))
}

fn print_row(name: &str, reached: f64, required: f64, bare: f64, unit: &str) {
    let cost = format!("{:.1} {unit}", bare / reached);
    println!("{name:<24} {reached:>12.0} {required:>12.0} {bare:>9.0} {cost:>22}");
}

fn cells_per_second(supervisor: &Supervisor, count: usize, fresh_process: bool) -> f64 {
    let jobs: Vec<Job> = (0..count)
        .map(|index| Job { index, cell: trivial_cell(index, fresh_process), attached: Attached::default() })
        .collect();
    let observed = AtomicUsize::new(0);
    let begin = Instant::now();
    let execution = supervisor.execute(&jobs, &|event| {
        if let Event::Ended { outcome, .. } = event {
            assert!(matches!(outcome, Outcome::Observed(_)), "{outcome:?}");
            observed.fetch_add(1, Ordering::Relaxed);
        }
    });
    let elapsed = begin.elapsed();
    assert_eq!((execution, observed.into_inner()), (Execution::Complete, count));
    count as f64 / elapsed.as_secs_f64()
}

fn trivial_cell(index: usize, fresh_process: bool) -> Cell {
    Cell {
        name: format!("accuracy::trivial::cpu::f32::number_{index}::uniform"),
        suite: SuiteSettings::Accuracy(AccuracySettings { random_problems: 0 }),
        operator: "trivial".into(),
        device: Device::Cpu,
        dtype: DType::F32,
        parameters: Parameters::default(),
        input: Input::Generated(Distribution::Uniform),
        seed: Seed::root(index as u64),
        expect: Expectation::Accepted,
        limits: Limits { deadline_ms: 10_000, memory_bytes: Some(1 << 30), fresh_process },
    }
}

/// Runs `work` on as many threads as there are workers, each its share of `count`; the total a second.
fn in_parallel(threads: usize, count: usize, work: fn(usize) -> Duration) -> f64 {
    let share = count.div_ceil(threads);
    let longest = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(move || work(share))).collect();
        running.into_iter().map(|thread| thread.join().expect("a measuring thread panicked")).max()
    });
    (share * threads) as f64 / longest.unwrap_or_default().as_secs_f64()
}

/// One byte there and back through a socket to a process that does nothing else.
fn round_trips(count: usize) -> Duration {
    let (mut socket, theirs) = UnixStream::pair().expect("a socket pair");
    let mut child = this_program("echo").stdin(OwnedFd::from(theirs)).spawn().expect("this program again");
    let mut byte = [0];
    let mut exchange = || {
        socket.write_all(&byte).expect("an echo that listens");
        socket.read_exact(&mut byte).expect("an echo that answers");
    };
    exchange();
    let begin = Instant::now();
    (0..count).for_each(|_| exchange());
    let elapsed = begin.elapsed();
    drop(socket);
    child.wait().expect("the echo to end");
    elapsed
}

/// A process of the same program that ends at once. It ends by itself, which may take longer than being killed as a
/// worker is.
fn spawns(count: usize) -> Duration {
    let begin = Instant::now();
    for _ in 0..count {
        let status = this_program("exit").spawn().and_then(|mut child| child.wait()).expect("this program again");
        assert!(status.success());
    }
    begin.elapsed()
}

fn this_program(argument: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg(argument).process_group(0);
    command
}
