//! Readers that go before the program has said everything.

use std::process::Stdio;

use validation::verdict::Verdict;
use validation_testing::project::{Ended, Project, names};

/// Runs the program with a standard output that nobody reads.
fn run_unread(project: &Project, arguments: &[&str]) -> Ended {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = project.command();
    // The command keeps its end of the pipe until it is dropped; nobody waits for that end.
    command.args(arguments).stdout(writer).stderr(Stdio::piped());
    command.spawn().unwrap().wait_with_output().unwrap().into()
}

#[test]
fn a_run_whose_reader_is_gone_keeps_its_evidence() {
    let project = Project::new();
    let ended = run_unread(&project, &["::cpu::"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let records = project.records();
    assert_eq!(names(&records), project.listed(&["::cpu::"]).into_iter().collect());
    assert!(records.iter().all(|record| record.verdict == Verdict::Pass));
    assert!(project.only_run().join("junit.xml").exists());
}

#[test]
fn a_list_whose_reader_is_gone_ends_quietly() {
    let ended = run_unread(&Project::new(), &["--list"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}
