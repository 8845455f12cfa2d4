//! A change that is wanted is approved, for a while; an approval of nothing is an error.

use crate::corpus::{CELL, approve, forge, record_of_cell, released};

#[test]
fn an_approved_change_passes_and_the_run_says_so() {
    let project = released();
    forge(&project, "expected", "y");
    approve(&project, CELL, "results", "2126-01-31");
    let ended = project.run(&["backward_compat"]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    let line = "1 with other results than their release, approved until 2126-01-31: ties were wrong";
    assert!(ended.stdout.contains(line), "{}", ended.printed());
    let record = serde_json::to_string(&record_of_cell(&project)).unwrap();
    assert!(record.contains(r#""expires":"2126-01-31""#), "{record}");
}

#[test]
fn an_approval_of_results_is_none_of_inputs() {
    let project = released();
    forge(&project, "expected", "y");
    approve(&project, CELL, "inputs", "2126-01-31");
    let ended = project.run(&["backward_compat"]);
    assert_eq!(ended.code, Some(1), "{}", ended.printed());
    let verdict = format!("{:?}", record_of_cell(&project).verdict);
    assert!(verdict.contains("1 of 42 elements") && verdict.contains("changed inputs is stale"), "{verdict}");
}

#[test]
fn an_expired_approval_fails() {
    let project = released();
    forge(&project, "expected", "y");
    approve(&project, CELL, "results", "2026-01-31");
    let ended = project.run(&["backward_compat"]);
    assert_eq!(ended.code, Some(2), "{}", ended.printed());
    assert!(ended.stderr.contains("this approval expired on 2026-01-31"), "{}", ended.printed());
    assert!(ended.stderr.contains("ties were wrong"), "{}", ended.printed());
}

#[test]
fn an_approval_of_what_has_not_changed_fails() {
    let project = released();
    approve(&project, CELL, "results", "2126-01-31");
    let ended = project.run(&["backward_compat"]);
    assert_eq!(ended.code, Some(1), "{}", ended.printed());
    assert!(ended.stdout.contains("the approval of changed results is stale"), "{}", ended.printed());
}

#[test]
fn an_approval_that_matches_no_golden_is_refused() {
    let project = released();
    approve(&project, "*::voxelize::*::0.8.0", "results", "2126-01-31");
    let ended = project.run(&["backward_compat"]);
    assert_eq!(ended.code, Some(2), "{}", ended.printed());
    assert!(ended.stderr.contains("matches no cell of any profile"), "{}", ended.printed());
}
