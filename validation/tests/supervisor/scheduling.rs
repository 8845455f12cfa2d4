//! Which worker gets which cell, and when.

use std::{
    collections::HashSet,
    panic, thread,
    time::{Duration, Instant},
};

use validation::{
    cell::{Cell, Device},
    protocol::Attached,
    supervisor::{Event, Execution, Job, Supervisor, SupervisorOptions},
};

use crate::cells::{
    Run, assert_reports, cell, cell_of_size, execute, harness_failure, on_all_gpus, report, supervisor, timed, watch,
};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("scheduling::nothing_to_do_is_complete", nothing),
    ("scheduling::one_slot_keeps_one_worker", one_worker),
    ("scheduling::fresh_process_cells_share_no_worker", fresh_processes),
    ("scheduling::cells_run_in_parallel", parallel),
    ("scheduling::timed_cells_run_alone", timed_cells),
    ("scheduling::cells_that_need_all_gpus_see_them_and_run_alone", all_gpus),
    ("scheduling::cuda_cells_run_one_at_a_time_on_each_gpu", cuda),
    ("scheduling::device_without_workers_fails_its_cells", no_workers),
    ("scheduling::messages_may_be_larger_than_a_socket_holds", large_messages),
    ("scheduling::several_callers_share_the_slots", several_callers),
    ("scheduling::caller_that_panics_does_not_wait_for_its_cells", caller_that_gave_up),
];

fn nothing() {
    assert_eq!(supervisor(1).execute(&[], &|event| panic!("{event:?}")), Execution::Complete);
}

fn one_worker() {
    let supervisor = supervisor(1);
    let mut pids = HashSet::new();
    for _ in 0..2 {
        let Run { outcomes, order, .. } = watch(&supervisor, vec![cell("report_pid"); 20]);
        assert!(order.is_sorted(), "{order:?}");
        pids.extend(outcomes.iter().map(|outcome| report(outcome).to_owned()));
    }
    assert_eq!(pids.len(), 1, "{pids:?}");
}

fn fresh_processes() {
    let fresh = |fresh_process| {
        let mut cell = cell("report_pid");
        cell.limits.fresh_process = fresh_process;
        cell
    };
    let outcomes = execute(&supervisor(1), [false, true, true, false].map(fresh));
    let pids: Vec<&str> = outcomes.iter().map(report).collect();
    assert_eq!(pids[0], pids[3], "the warm worker was lost");
    assert_eq!(pids.iter().collect::<HashSet<_>>().len(), 3, "{pids:?}");
}

fn parallel() {
    let run = watch(&supervisor(4), vec![cell("sleep"); 8]);
    // Four when the machine is idle; a busy one may start a thread late.
    assert!((2..=4).contains(&run.most_at_a_time), "{}", run.most_at_a_time);
    assert!((2..=4).contains(&run.outcomes.iter().map(report).collect::<HashSet<_>>().len()));
}

fn timed_cells() {
    let supervisor = Supervisor::new(SupervisorOptions {
        cpu_workers: 3,
        gpu_workers: vec!["GPU-a".into()],
        ..SupervisorOptions::for_this_program(["as-worker"])
    })
    .unwrap();
    let on_gpu = Cell { device: Device::Cuda, ..timed("sleep") };
    let run = watch(&supervisor, [vec![timed("sleep"); 4], vec![on_gpu; 2]].concat());
    assert_eq!(run.most_at_a_time, 1);
    // Beside cells that are not timed either: those that are under way have the machine to themselves or share it.
    assert_reports(&execute(&supervisor, [vec![cell("sleep"); 4], vec![timed("sleep"); 2]].concat()));
}

fn cuda() {
    let supervisor = Supervisor::new(SupervisorOptions {
        cpu_workers: 2,
        gpu_workers: vec!["GPU-a".into(), "GPU-b".into()],
        ..SupervisorOptions::for_this_program(["as-worker"])
    })
    .unwrap();
    let cells = [vec![on_cuda("sleep"); 4], vec![on_cuda("report_visible_devices"); 20], vec![cell("sleep"); 4]];
    let outcomes = execute(&supervisor, cells.concat());

    let gpu_workers: HashSet<&str> = outcomes[..4].iter().map(report).collect();
    assert_eq!(gpu_workers.len(), 2, "{gpu_workers:?}");
    assert!(outcomes[4..24].iter().all(|outcome| matches!(report(outcome), "GPU-a" | "GPU-b")));
    assert!(outcomes[24..].iter().all(|outcome| !gpu_workers.contains(report(outcome))));
}

fn all_gpus() {
    let supervisor = Supervisor::new(SupervisorOptions {
        gpu_workers: vec!["GPU-a".into()],
        all_gpus_worker: Some("GPU-a,GPU-b".into()),
        ..SupervisorOptions::for_this_program(["as-worker"])
    })
    .unwrap();
    let outcomes = execute(&supervisor, [on_all_gpus("report_visible_devices"), on_cuda("report_visible_devices")]);
    assert_eq!(outcomes.iter().map(report).collect::<Vec<_>>(), ["GPU-a,GPU-b", "GPU-a"]);
    // Each kind has a worker of its own: only turns keep them apart.
    let run = watch(&supervisor, [vec![cell("sleep"); 3], vec![on_all_gpus("sleep"); 3]].concat());
    assert_eq!(run.most_at_a_time, 1);
}

fn no_workers() {
    let mut outcomes = execute(&supervisor(1), [on_cuda("report_pid"), cell("report_pid")]);
    report(&outcomes.pop().unwrap());
    assert_eq!(harness_failure(outcomes.remove(0)), "there is no worker for cuda cells");
}

fn large_messages() {
    let cells = [cell_of_size(8 << 20, "report_parameters"), cell_of_size(17 << 20, "report_parameters")];
    let mut outcomes = execute(&supervisor(1), cells);
    let message = harness_failure(outcomes.pop().unwrap());
    assert!(message.starts_with("the cell cannot be sent to a worker: a message of 178"), "{message}");
    assert_eq!(report(&outcomes[0]).len(), 8 << 20);
}

fn several_callers() {
    let supervisor = supervisor(2);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let outcomes = execute(&supervisor, vec![cell("report_pid"); 50]);
                assert_reports(&outcomes);
            });
        }
    });
}

fn caller_that_gave_up() {
    let begin = Instant::now();
    let result = panic::catch_unwind(|| {
        let jobs = [cell("loop_forever"), cell("report_pid")].map(|cell| Job {
            index: 0,
            cell,
            attached: Attached::default(),
        });
        supervisor(1).execute(&jobs, &|event| panic::resume_unwind(Box::new(event)))
    });
    assert!(matches!(result.unwrap_err().downcast_ref(), Some(Event::Started { index: 0 })));
    assert!(begin.elapsed() < Duration::from_secs(30), "the endless loop was waited for");
}

fn on_cuda(behaviour: &str) -> Cell {
    let mut cell = cell(behaviour);
    cell.device = Device::Cuda;
    cell
}
