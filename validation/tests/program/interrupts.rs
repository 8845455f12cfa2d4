//! Exit status 130: Ctrl-C ends a run early, and `--resume` finishes it.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use validation::verdict::Verdict;

use crate::project::{Ended, Project, names};

/// Sends `signal` as soon as the program has acknowledged two cells.
fn interrupt(project: &Project, signal: Signal) -> Ended {
    let mut command = project.command();
    command.args(["--profile", "unhurried", "--test-threads=1"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    for _ in 0..2 {
        output.read_line(&mut text).unwrap();
    }
    kill(Pid::from_raw(child.id() as i32), signal).unwrap();
    std::io::Read::read_to_string(&mut output, &mut text).unwrap();
    let mut ended = Ended::from(child.wait_with_output().unwrap());
    ended.stdout = text;
    ended
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
