//! What happens to a run in its middle: Ctrl-C ends it early with exit status 130, lost evidence is noticed at its end,
//! and `--resume` makes up for either.

use std::{
    fs::OpenOptions,
    io::{BufRead, BufReader, Read},
    os::unix::fs::FileExt,
    process::{Child, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use validation::verdict::Verdict;

use crate::project::{Ended, Project, names};

/// Runs the program, and does this to it as soon as it has acknowledged two cells of many.
fn disturb(project: &Project, disturbance: impl FnOnce(&Child)) -> Ended {
    let mut command = project.command();
    command.args(["--profile", "unhurried", "--test-threads=1"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    for _ in 0..2 {
        output.read_line(&mut text).unwrap();
    }
    disturbance(&child);
    output.read_to_string(&mut text).unwrap();
    let mut ended = Ended::from(child.wait_with_output().unwrap());
    ended.stdout = text;
    ended
}

fn interrupt(project: &Project, signal: Signal) -> Ended {
    disturb(project, |child| kill(Pid::from_raw(child.id() as i32), signal).unwrap())
}

#[test]
fn an_interrupted_run_is_finished_by_resuming_it() {
    let project = Project::new();
    let planned = project.listed(&["--profile", "unhurried"]);
    let ended = interrupt(&project, Signal::SIGINT);
    assert_eq!(ended.code, Some(130), "{}", ended.printed());
    let first = project.records();
    assert!((2..planned.len()).contains(&first.len()), "{} of {} cells ended", first.len(), planned.len());
    let run = project.only_run();
    let name = run.file_name().unwrap().to_str().unwrap();
    assert!(ended.stdout.contains(&format!("INTERRUPTED: `--resume {name}` finishes the rest")), "{}", ended.stdout);

    let ended = project.run(&["--profile", "unhurried", "--resume", name]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    let all = project.records();
    assert_eq!(all[..first.len()], first);
    assert_eq!(names(&all), planned.into_iter().collect());
    assert!(all.iter().all(|record| record.verdict == Verdict::Pass));
    assert!(run.join("environment-1.json").exists());
}

#[test]
fn a_termination_is_an_interrupt_too() {
    let project = Project::new();
    let ended = interrupt(&project, Signal::SIGTERM);
    assert_eq!(ended.code, Some(130), "{}", ended.printed());
    assert!(ended.stdout.contains("INTERRUPTED"), "{}", ended.stdout);
}

#[test]
fn a_record_that_is_lost_during_the_run_is_missed_at_its_end() {
    let project = Project::new();
    let ended = disturb(&project, |_| {
        let log = project.only_run().join("records.jsonl");
        // In the first record, which is durable.
        OpenOptions::new().write(true).open(log).unwrap().write_all_at(b"?", 60).unwrap();
    });
    assert_eq!(ended.code, Some(4), "{}", ended.printed());
    assert!(ended.stdout.contains("damaged evidence: line 1 (byte 0): corrupt"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("PASSED"), "{}", ended.stdout);
    assert!(
        ended.stderr.starts_with("error: no intact record is left of 1 executed cells; `--resume "),
        "{}",
        ended.stderr
    );

    let ended = project.run(&["--profile", "unhurried", "--resume"]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
}
