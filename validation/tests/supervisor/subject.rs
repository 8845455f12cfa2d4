//! The worker's side: a cell's operator names what it does to its process.

use std::{
    env,
    hint::spin_loop,
    io::{self, Read, Write},
    panic::resume_unwind,
    process::{Command, ExitCode, abort, exit, id},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::{
        resource::{Resource, getrlimit},
        signal::{Signal, raise},
    },
    unistd::{ForkResult, fork, getpgrp},
};
use validation::{
    cell::Cell,
    observation::{Observation, OperatorFailure, OutputHashes},
    protocol::Attached,
    worker,
};

/// Longer than any test waits, and not for ever: a defect that a test finds should not burn a processor for days.
pub(crate) const ENDLESS: Duration = Duration::from_secs(600);

pub(crate) fn serve() -> ExitCode {
    let execute = |cell: &Cell, attached: &Attached| Ok(execute(cell, attached));
    match worker::serve(|| false, execute, digest, |_, _| Ok(())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn execute(cell: &Cell, _: &Attached) -> Observation {
    match cell.operator.as_str() {
        "report_pid" => report(id()),
        "report_visible_devices" => report(env::var("CUDA_VISIBLE_DEVICES").unwrap_or_default()),
        "report_parameters" => report(cell.parameters.get("text").unwrap()),
        "report_memory_limit" => report(format!("pid {} limit {}", id(), getrlimit(Resource::RLIMIT_DATA).unwrap().0)),
        "report_standard_input" => report(io::stdin().read_to_end(&mut Vec::new()).unwrap()),
        "sleep" => {
            thread::sleep(Duration::from_millis(100));
            report(id())
        }
        "loop_forever" => {
            println!("worker {} ", id());
            spin(ENDLESS);
            report(id())
        }
        "abort" => {
            eprintln!("about to abort");
            abort()
        }
        "exit" => exit(3),
        "panic" => panic!("the operator gave up"),
        "panic_in_a_pool" => {
            let pool = thread::spawn(|| panic!("a thread of the operator gave up"));
            resume_unwind(pool.join().unwrap_err())
        }
        "overflow_the_stack" => report(recurse(0)),
        "allocate_ten_gigabytes" => report(std::hint::black_box(vec![1_u8; 10 << 30]).len()),
        "allocate_half_a_gigabyte" => report(std::hint::black_box(vec![0_u8; 1 << 29]).len()),
        "print_much" => {
            print_much();
            report(id())
        }
        "print_much_and_abort" => {
            print_much();
            println!("the very end");
            abort()
        }
        "leave_a_child" => report(format!("child {}", Command::new("sleep").arg("600").spawn().unwrap().id())),
        "leave_a_child_and_abort" => {
            println!("child {} ", Command::new("sleep").arg("600").spawn().unwrap().id());
            abort()
        }
        "leave_a_twin_and_exit" => leave_a_twin_and_exit(),
        "stop" => {
            raise(Signal::SIGSTOP).unwrap();
            report(id())
        }
        "lose_the_device" => Observation::OperatorFailed(OperatorFailure {
            during: "plain".into(),
            message: format!("pid {} ", id()),
            sticky: true,
        }),
        "digest" | "digest_panics" | "digest_exits" => report(fresh_digest(cell, Duration::from_secs(60))),
        "digest_loops" => report(fresh_digest(cell, Duration::from_millis(200))),
        "digest_outlives_deadline" => report(fresh_digest(cell, Duration::from_secs(600))),
        "answer_too_much" => report("x".repeat(17 << 20)),
        unknown => panic!("no behaviour is called {unknown}"),
    }
}

fn digest(cell: &Cell, _: &Attached) -> Result<OutputHashes, String> {
    match cell.operator.as_str() {
        "digest" => Ok(vec![("process".into(), format!("nested {} group {}", id(), getpgrp()))]),
        "digest_panics" => panic!("no digest"),
        "digest_exits" => exit(9),
        "digest_loops" | "digest_outlives_deadline" => {
            println!("nested {} ", id());
            spin(ENDLESS);
            Ok(Vec::new())
        }
        unknown => Err(format!("no digest is called {unknown}")),
    }
}

fn fresh_digest(cell: &Cell, timeout: Duration) -> String {
    match worker::digest_in_fresh_process(cell, &Attached::default(), timeout) {
        Ok(digest) => format!("pid {} {}", id(), digest[0].1),
        Err(error) => error.to_string(),
    }
}

fn spin(duration: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < duration {
        spin_loop();
    }
}

/// An observation that carries text.
fn report(message: impl ToString) -> Observation {
    Observation::InputRejected { kind: "report".into(), message: message.to_string() }
}

/// Prints 100 MB.
fn print_much() {
    let line = [b"0123456789abcde".repeat(66).as_slice(), b"123456789\n"].concat();
    let mut output = io::stdout().lock();
    (0..100_000).for_each(|_| output.write_all(&line).unwrap());
}

/// A forked child, unlike a started one, keeps the worker's socket open: its closing cannot tell of the death.
fn leave_a_twin_and_exit() -> ! {
    // SAFETY: the worker's only thread forks, and the child allocates nothing: it sleeps until it is killed.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            thread::sleep(ENDLESS);
            exit(0)
        }
        ForkResult::Parent { child } => {
            println!("child {child} ");
            exit(3)
        }
    }
}

fn recurse(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 512]);
    if frame[1] == u64::MAX { 0 } else { recurse(depth + 1) + frame[2] }
}
