//! Cells as tests of cargo-nextest: a process each, and one run for all of them.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use validation::{evidence::read_log, verdict::Verdict};
use validation_testing::project::{Ended, Project, names};

/// What nextest would have the program do.
fn run_as_test(project: &Project, attempt: &str, cell: &str) -> Ended {
    let mut command = project.command();
    command.env("NEXTEST", "1").env("NEXTEST_RUN_ID", "some-run").env("NEXTEST_ATTEMPT", attempt);
    command.args(["--profile", "hungry", "--exact", cell, "--nocapture"]).output().unwrap().into()
}

#[test]
fn each_process_answers_for_its_own_cell() {
    let project = Project::new();
    let (hungry, modest): (Vec<_>, Vec<_>) =
        project.listed(&["--profile", "hungry"]).into_iter().partition(|name| name.contains("s100000000"));
    assert_eq!(run_as_test(&project, "1", &hungry[0]).code, Some(1));
    assert_eq!(run_as_test(&project, "2", &hungry[0]).code, Some(1));
    let ended = run_as_test(&project, "1", &modest[0]);
    assert_eq!(ended.code, Some(0), "another cell's failure is not its own: {}", ended.printed());
    assert!(ended.stdout.contains("PASSED: 1 passed, 0 failed, 0 skipped"), "{}", ended.stdout);

    assert!(project.only_run().ends_with("nextest-some-run"));
    let attempts: Vec<_> = project.records().into_iter().map(|record| (record.cell.name, record.attempt)).collect();
    assert_eq!(attempts, [(hungry[0].clone(), 1), (hungry[0].clone(), 2), (modest[0].clone(), 1)]);
    // The report is of the run.
    let junit = fs::read_to_string(project.only_run().join("junit.xml")).unwrap();
    assert_eq!((junit.matches("<testcase ").count(), junit.matches("<rerunError ").count()), (2, 1), "{junit}");
}

#[test]
#[ignore = "needs cargo-nextest and a built workspace; .ci/run runs it"]
fn nextest_runs_cells_one_by_one_into_one_run() {
    const FILTER: &str = "accuracy::resample::";
    let project = Project::of_repository();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new("cargo");
    for variable in ["NEXTEST", "NEXTEST_ATTEMPT", "NEXTEST_PROFILE", "NEXTEST_RUN_ID", "ROBOCACHE_DATA"] {
        command.env_remove(variable);
    }
    command.args(["nextest", "run", "--locked", "-p", "validation", "--test", "cells", FILTER]);
    let output = command.current_dir(workspace).env("ROBOCACHE_OUTPUT", project.output()).output().unwrap();
    let ended = Ended::from(output);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());

    let cells = |arguments: &[&str]| -> BTreeSet<_> {
        project.listed(&[&["--profile", "smoke", FILTER], arguments].concat()).into_iter().collect()
    };
    let expected: BTreeSet<_> = cells(&[]).difference(&cells(&["--ignored"])).cloned().collect();
    assert!(!expected.is_empty());
    assert!(
        ended.stderr.contains(&format!("{} tests run: {} passed", expected.len(), expected.len())),
        "{}",
        ended.stderr
    );
    let records = project.records();
    assert_eq!(names(&records), expected);
    assert!(records.iter().all(|record| record.verdict == Verdict::Pass));
    assert!(read_log(&project.only_run().join("records.jsonl")).unwrap().findings().is_empty());
    assert!(project.only_run().file_name().unwrap().to_str().unwrap().starts_with("nextest-"));
}
