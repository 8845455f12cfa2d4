//! Workers that are none, and workers that break the protocol.

use std::{
    env,
    ffi::OsString,
    io::Write,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::{ExitCode, exit, id},
    thread,
};

use validation::{
    observation::Outcome,
    protocol::{Response, encode},
    supervisor::{Supervisor, SupervisorOptions},
};

use crate::cells::{assert_ends, cell, cell_of_size, cell_within, execute, harness_failure, number_after};
use crate::subject::ENDLESS;

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("hostile::garbage_is_a_violation", garbage),
    ("hostile::oversized_message_is_refused_unread", oversized),
    ("hostile::answer_before_ready_is_a_violation", unready),
    ("hostile::ready_twice_is_a_violation", ready_twice),
    ("hostile::answer_to_another_question_is_a_violation", another_answer),
    ("hostile::half_a_message_meets_the_deadline", half_a_message),
    ("hostile::request_that_is_not_read_meets_the_deadline", unread_request),
    ("hostile::stray_message_does_not_become_the_next_answer", stray_message),
    ("hostile::closed_connection_without_end_is_a_failure", closed_connection),
    ("hostile::end_before_ready_is_a_failure", early_end),
    ("hostile::program_that_is_no_worker_is_a_failure", no_worker),
    ("hostile::missing_program_is_a_failure", missing_program),
];

/// A worker that says what its second argument names, and then hangs.
pub(crate) fn serve() -> ExitCode {
    let socket: OwnedFd = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    let mut socket = UnixStream::from(socket);
    let mut say = |bytes: &[u8]| socket.write_all(bytes).unwrap();
    let ready = encode(&Response::Ready).unwrap();
    let refused = encode(&Response::Refused("first".into())).unwrap();
    println!("hostile {} ", id());
    match env::args().nth(2).as_deref() {
        Some("garbage") => say(&[&ready[..], &[3, 0, 0, 0], b"{{{"].concat()),
        Some("oversized") => say(&[&ready[..], &u32::MAX.to_le_bytes()].concat()),
        Some("unready") => say(&refused),
        Some("ready_twice") => say(&[&ready[..], &ready].concat()),
        Some("another_answer") => say(&[ready, encode(&Response::Digest(Vec::new())).unwrap()].concat()),
        Some("half_a_message") => say(&[&ready[..], &[200, 0, 0, 0], b"{\"observed\""].concat()),
        Some("stray_message") => {
            let stray = encode(&Response::Refused("stray".into())).unwrap();
            say(&[ready, refused, stray].concat());
        }
        Some("closed_connection") => {
            say(&ready);
            drop(socket);
            nix::unistd::dup2_stdin(std::fs::File::open("/dev/null").unwrap()).unwrap();
        }
        Some("early_end") => {
            eprintln!("a library is missing");
            exit(127)
        }
        other => panic!("no hostility is called {other:?}"),
    }
    thread::sleep(ENDLESS);
    ExitCode::SUCCESS
}

fn hostile_supervisor(kind: &str) -> Supervisor {
    Supervisor::new(SupervisorOptions::for_this_program(["as-hostile-worker", kind])).unwrap()
}

/// The message with which the harness fails on this kind, after the process was seen to be gone.
fn failure(kind: &str) -> String {
    let message = harness_failure(execute(&hostile_supervisor(kind), [cell("report_pid")]).remove(0));
    assert_ends(number_after("hostile", &message));
    message
}

fn garbage() {
    let message = failure("garbage");
    assert!(message.contains("a message of 3 bytes is not understood: key must be a string"), "{message}");
}

fn oversized() {
    let message = failure("oversized");
    assert!(message.contains("a message of 4294967295 bytes exceeds the limit of 16777216 bytes"), "{message}");
}

fn unready() {
    assert!(failure("unready").contains("spoke out of turn"));
}

fn ready_twice() {
    assert!(failure("ready_twice").contains("spoke out of turn"));
}

fn another_answer() {
    assert!(failure("another_answer").contains("answered another question"));
}

fn half_a_message() {
    let outcome = execute(&hostile_supervisor("half_a_message"), [cell_within(200, "report_pid")]).remove(0);
    let Outcome::DeadlineExceeded { output_tail, .. } = outcome else { panic!("{outcome:?}") };
    assert_ends(number_after("hostile", &output_tail));
}

fn unread_request() {
    let mut cell = cell_of_size(8 << 20, "report_parameters");
    cell.limits.deadline_ms = 200;
    let outcome = execute(&hostile_supervisor("half_a_message"), [cell]).remove(0);
    assert!(matches!(outcome, Outcome::DeadlineExceeded { .. }), "{outcome:?}");
}

fn stray_message() {
    let outcomes = execute(&hostile_supervisor("stray_message"), vec![cell("report_pid"); 3]);
    for outcome in outcomes {
        assert_eq!(harness_failure(outcome), "first");
    }
}

fn closed_connection() {
    let outcome = execute(&hostile_supervisor("closed_connection"), [cell("report_pid")]).remove(0);
    let message = harness_failure(outcome);
    assert!(message.contains("closed its connection"), "{message}");
}

fn early_end() {
    let message = failure("early_end");
    assert!(message.contains("ended (exit code 127) before it was ready"), "{message}");
    assert!(message.contains("a library is missing"), "{message}");
}

fn no_worker() {
    let options = SupervisorOptions { program: "true".into(), ..SupervisorOptions::for_this_program(["x"; 0]) };
    let message = harness_failure(execute(&Supervisor::new(options).unwrap(), [cell("report_pid")]).remove(0));
    assert_eq!(message, "the worker ended (exit code 0) before it was ready");
}

fn missing_program() {
    let options = SupervisorOptions {
        program: "/nonexistent/worker".into(),
        ..SupervisorOptions::for_this_program([OsString::new()])
    };
    let outcomes = execute(&Supervisor::new(options).unwrap(), vec![cell("report_pid"); 3]);
    for outcome in outcomes {
        let message = harness_failure(outcome);
        assert!(message.starts_with("the worker program /nonexistent/worker cannot be started"), "{message}");
    }
}
