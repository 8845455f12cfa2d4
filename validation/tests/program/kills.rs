//! SIGKILL to the whole program at random moments: no acknowledged record is lost or doubled, no worker survives, and
//! resuming completes the run.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};
use validation_testing::project::Project;

use crate::killing::{Killing, kill_and_resume};

/// Kills that there must be at least.
const KILLS: u32 = 200;

/// Marks every process that this test starts, directly or not: processes inherit it.
const MARK: &str = "VALIDATION_KILL_TEST";

/// A worker is killed by the kernel when its supervisor ends; on a busy machine that may take its time to be seen.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn a_killed_program_loses_and_doubles_nothing_and_leaves_no_worker() {
    let project = Project::new();
    let root = project.output();
    let arguments = ["--profile", "trivial"];
    let report = kill_and_resume(&Killing {
        root: &root,
        kills: KILLS,
        seed: 3,
        command: &|resume| {
            // The one before has ended by now.
            check_no_survivor(&root);
            let mut command = project.command();
            // All cells are on the CPU, and looking at GPUs would take most of the time.
            command.args(arguments).env(MARK, &root).env("CUDA_VISIBLE_DEVICES", "-1");
            if let Some(folder) = resume {
                command.arg("--resume").arg(folder);
            }
            command
        },
        acknowledged: &acknowledged,
        cells: project.listed(&arguments).into_iter().collect(),
    });
    match report {
        Ok(report) => println!("{report}"),
        Err(failed) => panic!("{}", failed.message().unwrap_or("failed")),
    }
    check_no_survivor(&root);
}

/// The cell of a line such as `    pass [   0.004 s] NAME`.
fn acknowledged(line: &str) -> Option<String> {
    let (_, name) = line.trim_start().strip_prefix("pass [")?.split_once("] ")?;
    Some(name.to_owned())
}

fn check_no_survivor(root: &Path) {
    let begin = Instant::now();
    loop {
        let survivors = marked_processes(root);
        if survivors.is_empty() {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "processes survive their supervisor: {survivors:?}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Processes that carry the mark. One that has ended, but was not waited for yet, has no environment any more.
fn marked_processes(root: &Path) -> Vec<String> {
    let mark = format!("{MARK}={}", root.display());
    let carries_mark =
        |environment: Vec<u8>| environment.split(|&byte| byte == 0).any(|entry| entry == mark.as_bytes());
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|process| fs::read(format!("/proc/{process}/environ")).is_ok_and(carries_mark))
        .collect()
}

#[test]
fn a_survivor_would_be_seen() {
    let root = Path::new("/somewhere");
    let mut sleeper = std::process::Command::new("sleep").arg("60").env(MARK, root).spawn().unwrap();
    // A process that has only just begun has no environment yet.
    let begin = Instant::now();
    let mut seen = marked_processes(root);
    while seen.is_empty() && begin.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(1));
        seen = marked_processes(root);
    }
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    assert_eq!(seen, [sleeper.id().to_string()]);
    assert_eq!(marked_processes(root), [""; 0]);
}
