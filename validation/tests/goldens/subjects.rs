//! An old library is held against a release, and a new one too.

use validation_testing::compile;

use crate::corpus::{CELL, approve, forge, released};

#[test]
fn a_library_is_held_against_the_goldens() {
    let project = released();
    let library = compile::example(&project.path("")).display().to_string();
    let ended = project.run(&["--subject", &library, "backward_compat"]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    assert!(ended.stdout.contains("14 passed, 0 failed"), "{}", ended.printed());
}

#[test]
fn a_library_of_other_results_fails() {
    let project = released();
    let library = compile::fixture("zeros", &project.path("")).display().to_string();
    let ended = project.run(&["--subject", &library, "backward_compat::fuse"]);
    assert_eq!(ended.code, Some(1), "{}", ended.printed());
    assert!(ended.stdout.contains("not as release 0.9.0: `y`"), "{}", ended.printed());
}

#[test]
fn an_approval_is_not_stale_where_an_old_library_has_not_made_the_change() {
    let project = released();
    let library = compile::example(&project.path("")).display().to_string();
    approve(&project, CELL, "results", "2126-01-31");
    let old = project.run(&["--subject", &library, "backward_compat"]);
    assert_eq!(old.code, Some(0), "{}", old.printed());
    forge(&project, "expected", "y");
    let new = project.run(&["--subject", &library, "backward_compat"]);
    assert_eq!(new.code, Some(0), "{}", new.printed());
}
