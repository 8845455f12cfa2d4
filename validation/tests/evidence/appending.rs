//! The log while it is being written.

use std::{
    fs,
    sync::{Arc, Mutex},
    thread,
};

use validation::evidence::{Run, RunError, read_log};
use validation_testing::fixture::{MATRIX, names, new_run, passed, resume, usual_environment};

#[test]
fn many_threads_append_and_each_gets_its_own_number() {
    let root = tempfile::tempdir().unwrap();
    let run = new_run(root.path());
    let mut numbers: Vec<u64> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let run = &run;
                scope.spawn(move || {
                    (0..25).map(|n| run.log().append(&passed(&format!("t{thread}n{n}"))).unwrap()).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..200));
    let contents = run.contents().unwrap();
    assert_eq!((contents.records.len(), contents.damage.len(), contents.torn_tail), (200, 0, None));
}

#[test]
fn a_record_is_on_disk_when_it_is_acknowledged_and_in_order() {
    let root = tempfile::tempdir().unwrap();
    let run = new_run(root.path());
    let path = run.folder().join("records.jsonl");
    let seen = Arc::new(Mutex::new(Vec::new()));
    for n in 0..50 {
        let (seen, path) = (Arc::clone(&seen), path.clone());
        run.log().append_then(&passed(&format!("n{n}")), move |result| {
            let sequence = result.unwrap();
            let durable = read_log(&path).unwrap().records.len() as u64;
            seen.lock().unwrap().push((sequence, durable));
        });
    }
    run.close().unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen.iter().map(|(sequence, _)| *sequence).eq(0..50));
    assert!(seen.iter().all(|(sequence, durable)| durable > sequence), "{seen:?}");
}

#[test]
fn two_writers_are_excluded_until_the_first_is_gone() {
    let root = tempfile::tempdir().unwrap();
    let first = new_run(root.path());
    first.log().append(&passed("n0")).unwrap();
    let error = resume(first.folder()).err().unwrap();
    assert!(matches!(error, RunError::Lock(_)), "{error}");
    assert!(error.to_string().contains("another process is appending"), "{error}");
    let folder = first.folder().to_owned();
    first.close().unwrap();
    assert_eq!(resume(&folder).unwrap().earlier().len(), 1);
}

#[test]
fn processes_of_one_nextest_run_share_a_folder() {
    let root = tempfile::tempdir().unwrap();
    thread::scope(|scope| {
        for process in 0..6 {
            let root = root.path();
            scope.spawn(move || {
                // Each opens the log for itself, as a process would; locks are between open files, not threads.
                let run = Run::join(root, "nextest-1234", usual_environment(), MATRIX).unwrap();
                for n in 0..5 {
                    run.log().append(&passed(&format!("p{process}n{n}"))).unwrap();
                }
                run.close().unwrap();
            });
        }
    });
    let run = Run::resume(root.path(), "nextest-1234", usual_environment()).unwrap();
    assert_eq!((run.earlier().len(), run.damage().len(), run.cut_tail()), (30, 0, None));
}

#[test]
fn a_shared_log_torn_by_a_killed_process_is_mended_by_the_next() {
    let root = tempfile::tempdir().unwrap();
    let run = Run::join(root.path(), "nextest-1", usual_environment(), MATRIX).unwrap();
    let path = run.folder().join("records.jsonl");
    run.log().append(&passed("n0")).unwrap();
    let whole = fs::read(&path).unwrap();
    fs::write(&path, [&whole[..], &whole[..100]].concat()).unwrap();
    assert_eq!(run.log().append(&passed("n1")).unwrap(), 1);
    let contents = run.contents().unwrap();
    assert_eq!((contents.records.len(), contents.damage.len(), contents.torn_tail), (2, 0, None));
    assert_eq!(fs::read(run.folder().join("records.torn-1")).unwrap(), &whole[..100]);
}

#[test]
fn a_long_last_record_does_not_confuse_the_next_writer() {
    let root = tempfile::tempdir().unwrap();
    let run = Run::join(root.path(), "nextest-1", usual_environment(), MATRIX).unwrap();
    for n in 0..3 {
        run.log().append(&passed(&format!("{n}{}", "x".repeat(100_000)))).unwrap();
    }
    assert_eq!(run.log().append(&passed("n3")).unwrap(), 3);
    assert_eq!(names(&run.contents().unwrap().records).len(), 4);
}
