//! `--resume` at the command line.

use std::{fs, path::Path};
use validation_testing::project::{MATRIX, Project, names};

/// Every file of a run, with its content.
fn files(run: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(run).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> =
        entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn a_run_is_not_continued_by_another_question() {
    let project = Project::new();
    assert_eq!(project.run(&["fuse::cpu"]).code, Some(0));
    let before = files(&project.only_run());
    let refused = |arguments: &[&str], word: &str| {
        let ended = project.run(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.printed());
        assert_eq!(ended.stdout, "", "{arguments:?}");
        assert!(ended.stderr.starts_with("error: ") && ended.stderr.contains(word), "{}", ended.stderr);
        assert_eq!(files(&project.only_run()), before, "{arguments:?}");
    };
    refused(&["--resume=20200101T000000.000Z", "fuse::cpu"], "there is no run `20200101T000000.000Z`");
    refused(&["--resume=./no/such/folder", "fuse::cpu"], "there is no run `./no/such/folder`");
    refused(&["--resume=latest"], "the filters was `fuse::cpu` and is now none");
    refused(&["--resume=latest", "fuse::cpu", "--skip", "bf16"], "the filters was");
    refused(&["--resume=latest", "fuse::cpu", "--profile", "demanding"], "the profile was quick and is now demanding");
    fs::write(project.matrix(), format!("{MATRIX}# Changed.\n")).unwrap();
    refused(&["--resume=latest", "fuse::cpu"], "the matrix (its hash) was");
}

#[test]
fn there_is_nothing_to_resume_at_first() {
    let project = Project::new();
    let ended = project.run(&["--resume"]);
    assert_eq!(ended.code, Some(2), "{}", ended.printed());
    assert!(ended.stderr.contains("there is no run `latest`"), "{}", ended.stderr);
    assert!(!project.output().exists());
}

#[test]
fn a_complete_run_is_resumed_without_executing_anything() {
    let project = Project::new();
    assert_eq!(project.run(&["fuse::cpu"]).code, Some(0));
    let before = project.records();
    let ended = project.run(&["--resume=latest", "fuse::cpu"]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    assert_eq!(project.records(), before);
    assert!(ended.stdout.contains(&format!("PASSED: {} passed", before.len())), "{}", ended.stdout);
}

#[test]
fn a_failure_of_the_first_part_fails_the_resumed_run() {
    let project = Project::new();
    assert_eq!(project.run(&["--profile", "hungry"]).code, Some(1));
    let ended = project.run(&["--profile", "hungry", "--resume"]);
    assert_eq!(ended.code, Some(1), "{}", ended.printed());
    assert!(ended.stdout.contains("FAILED: "), "{}", ended.stdout);
}

/// A flipped byte in the middle costs one record, and its cell is executed again.
#[test]
fn a_damaged_record_is_made_up_for() {
    let project = Project::new();
    assert_eq!(project.run(&["fuse::cpu"]).code, Some(0));
    let whole = names(&project.records());
    let log = project.only_run().join("records.jsonl");
    let mut bytes = fs::read(&log).unwrap();
    bytes[60] ^= 1;
    fs::write(&log, bytes).unwrap();

    let ended = project.run(&["--resume", "latest", "fuse::cpu"]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    assert!(ended.stdout.contains("damaged evidence: line 1 (byte 0): corrupt"), "{}", ended.stdout);
    let contents = validation::evidence::read_log(&log).unwrap();
    assert_eq!(contents.damage.len(), 1);
    assert_eq!(names(&contents.records), whole);
}
