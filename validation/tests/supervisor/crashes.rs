//! What code under test can do to its worker, and the outcome that each must draw.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use validation::observation::{Observation, Outcome};

use crate::cells::{
    Run, assert_ends, assert_reports, cell, cell_within, death, execute, harness_failure, is_running, number_after,
    outcome_of, report, supervisor, watch,
};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("crashes::endless_loop_meets_its_deadline_while_others_complete", endless_loop),
    ("crashes::stopped_worker_meets_its_deadline", stopped_worker),
    ("crashes::abort_is_a_death_with_output", abort),
    ("crashes::stack_overflow_is_a_death", stack_overflow),
    ("crashes::exit_is_a_death_with_its_code", exit),
    ("crashes::panic_is_an_observation_with_its_place", panic),
    ("crashes::panic_in_another_thread_keeps_its_place", panic_in_a_pool),
    ("crashes::allocation_beyond_the_limit_aborts", allocation),
    ("crashes::flood_of_output_neither_blocks_nor_accumulates", flood_of_output),
    ("crashes::surviving_child_is_killed_with_its_group", surviving_child),
    ("crashes::forked_twin_does_not_hide_the_death", forked_twin),
    ("crashes::sticky_error_replaces_the_worker", sticky_error),
    ("crashes::thousand_cells_after_fifty_crashes", thousand_cells),
    ("crashes::too_long_an_answer_is_refused", too_long_an_answer),
];

fn endless_loop() {
    const DEADLINE_MS: u64 = 3000;
    let mut cells = vec![cell_within(DEADLINE_MS, "loop_forever")];
    cells.extend(vec![cell("report_pid"); 50]);
    let begin = Instant::now();
    let Run { outcomes, order, .. } = watch(&supervisor(2), cells);
    let elapsed = begin.elapsed();

    let Outcome::DeadlineExceeded { deadline_ms: DEADLINE_MS, output_tail } = &outcomes[0] else {
        panic!("{:?}", outcomes[0]);
    };
    assert_ends(number_after("worker", output_tail));
    assert!(elapsed >= Duration::from_millis(DEADLINE_MS) && elapsed < Duration::from_secs(30), "{elapsed:?}");
    assert_eq!(order.last(), Some(&0), "the other slot waited for the endless loop");
    assert_reports(&outcomes[1..]);
}

fn stopped_worker() {
    let outcomes = execute(&supervisor(1), [cell_within(200, "stop"), cell("report_pid")]);
    assert!(matches!(outcomes[0], Outcome::DeadlineExceeded { deadline_ms: 200, .. }), "{:?}", outcomes[0]);
    report(&outcomes[1]);
}

fn abort() {
    let death = death(outcome_of(cell("abort")));
    assert_eq!((death.signal, death.exit_code), (Some(Signal::SIGABRT as i32), None));
    assert_eq!(death.output_tail, "about to abort\n");
}

fn stack_overflow() {
    let death = death(outcome_of(cell("overflow_the_stack")));
    assert_eq!(death.signal, Some(Signal::SIGABRT as i32));
    assert!(death.output_tail.contains("has overflowed its stack"), "{}", death.output_tail);
}

fn exit() {
    let death = death(outcome_of(cell("exit")));
    assert_eq!((death.signal, death.exit_code), (None, Some(3)));
}

fn panic() {
    let supervisor = supervisor(1);
    let outcomes = execute(&supervisor, [cell("report_pid"), cell("panic"), cell("report_pid")]);
    assert!(panic_message(&outcomes[1]).starts_with("the operator gave up at "), "{:?}", outcomes[1]);
    assert!(panic_message(&outcomes[1]).contains("subject.rs:"), "{:?}", outcomes[1]);
    assert_ne!(report(&outcomes[0]), report(&outcomes[2]), "the worker that panicked was used again");
}

fn panic_in_a_pool() {
    let outcome = outcome_of(cell("panic_in_a_pool"));
    assert!(panic_message(&outcome).starts_with("a thread of the operator gave up at "), "{outcome:?}");
}

fn panic_message(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Observed(observation) => match &**observation {
            Observation::Panicked { message } => message,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn allocation() {
    let limited = |behaviour, limit| {
        let mut cell = cell(behaviour);
        cell.limits.memory_bytes = limit;
        cell
    };
    let mut outcomes = execute(
        &supervisor(1),
        [
            limited("report_memory_limit", Some(2 << 30)),
            limited("allocate_half_a_gigabyte", Some(1 << 30)),
            limited("report_memory_limit", None),
            limited("allocate_ten_gigabytes", Some(1 << 30)),
        ],
    );
    let death = death(outcomes.pop().unwrap());
    assert_eq!(death.signal, Some(Signal::SIGABRT as i32));
    assert!(death.output_tail.contains("memory allocation of 10737418240 bytes failed"), "{}", death.output_tail);

    assert_eq!(report(&outcomes[1]), (1 << 29).to_string());
    let (first, last) = (report(&outcomes[0]), report(&outcomes[2]));
    assert!(first.ends_with(&format!("limit {}", 2_u64 << 30)) && !last.ends_with(&format!("limit {}", 1_u64 << 30)));
    assert_eq!(number_after("pid", first), number_after("pid", last), "the worker was not kept warm");
}

fn flood_of_output() {
    let mut outcomes = execute(&supervisor(2), [cell("print_much"), cell("print_much_and_abort")]);
    let tail = death(outcomes.pop().unwrap()).output_tail;
    assert!(tail.len() <= 16 << 10 && tail.ends_with("\nthe very end\n"), "{} bytes", tail.len());
    report(&outcomes[0]);
}

fn surviving_child() {
    let death = death(outcome_of(cell("leave_a_child_and_abort")));
    assert_ends(number_after("child", &death.output_tail));

    // A cell that ended well leaves one too; its worker takes it along when its time comes.
    let supervisor = supervisor(1);
    let outcomes = execute(&supervisor, [cell("leave_a_child")]);
    let child = number_after("child", report(&outcomes[0]));
    assert!(is_running(child));
    drop(supervisor);
    assert_ends(child);
}

fn forked_twin() {
    let begin = Instant::now();
    let death = death(outcome_of(cell("leave_a_twin_and_exit")));
    assert_eq!(death.exit_code, Some(3));
    assert_ends(number_after("child", &death.output_tail));
    assert!(begin.elapsed() < Duration::from_secs(30), "the death was only noticed at the deadline");
}

fn sticky_error() {
    let outcomes = execute(&supervisor(1), [cell("lose_the_device"), cell("report_pid")]);
    let Outcome::Observed(observation) = &outcomes[0] else { panic!("{:?}", outcomes[0]) };
    let Observation::OperatorFailed(failure) = &**observation else { panic!("{observation:?}") };
    assert_ne!(number_after("pid", &failure.message), report(&outcomes[1]).parse::<i32>().unwrap());
}

fn thousand_cells() {
    let crashes = ["abort", "exit", "panic", "lose_the_device", "leave_a_child_and_abort"];
    let cells = crashes.iter().cycle().take(50).map(|behaviour| cell(behaviour));
    let outcomes = execute(&supervisor(3), cells.chain((0..1000).map(|_| cell("report_pid"))));
    for (behaviour, outcome) in crashes.iter().cycle().zip(&outcomes[..50]) {
        let died = matches!(outcome, Outcome::Died(_));
        assert_eq!(died, !matches!(*behaviour, "panic" | "lose_the_device"), "{behaviour}: {outcome:?}");
    }
    assert_reports(&outcomes[50..]);
}

fn too_long_an_answer() {
    let mut outcomes = execute(&supervisor(1), [cell("report_pid"), cell("answer_too_much"), cell("report_pid")]);
    assert_eq!(report(&outcomes[0]), report(&outcomes[2]), "the worker had done nothing wrong");
    let message = harness_failure(outcomes.remove(1));
    assert!(message.contains("exceeds the limit"), "{message}");
}
