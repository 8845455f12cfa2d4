//! Wrong subjects: each draws exactly the verdict that it should, in its own cells and in no others.

use validation::{evidence::Record, plan::SkipReason, verdict::Verdict};
use validation_testing::{compile, project::Project};

const MATRIX: &str = include_str!("matrix.yaml");

/// Runs a fixture and gives its records: those of `fuse`, which misbehaves, and those of `resample`, which must pass.
fn records_of(fixture: &str, arguments: &[&str]) -> Vec<Record> {
    let project = Project::with_matrix(MATRIX);
    let library = compile::fixture(fixture, &project.path("")).display().to_string();
    let ended = project.run(&[&["--subject", &library], arguments].concat());
    assert_eq!(ended.code, Some(1), "{fixture}: {}", ended.printed());
    let (fuse, others): (Vec<_>, Vec<_>) =
        project.records().into_iter().partition(|record| record.cell.operator == "fuse");
    for record in &others {
        let expected = match record.cell.operator.as_str() {
            "voxelize" => Verdict::Skip { reason: SkipReason::SubjectLacks("it does not export rc_voxelize".into()) },
            _ => Verdict::Pass,
        };
        assert_eq!(record.verdict, expected, "{fixture}: {}", record.cell.name);
    }
    assert!(!fuse.is_empty() && !others.is_empty(), "{fixture}: {}", ended.printed());
    fuse
}

/// Whether every cell failed, for reasons that say all of `parts`.
fn fails_saying(fixture: &str, parts: &[&str]) {
    for record in records_of(fixture, &["--profile", "quick"]) {
        let Verdict::Fail { reason } = &record.verdict else { panic!("{fixture}: {:?}", record.verdict) };
        assert!(parts.iter().all(|part| reason.contains(part)), "{fixture}: {reason}");
    }
}

fn crashes_with(fixture: &str, expected: &str) {
    for record in records_of(fixture, &["--profile", "quick"]) {
        let Verdict::Crash { cause, .. } = &record.verdict else { panic!("{fixture}: {:?}", record.verdict) };
        assert_eq!(cause, expected, "{fixture}");
    }
}

#[test]
fn a_crash_costs_the_cells_that_met_it() {
    crashes_with("crash", "SIGSEGV");
}

#[test]
fn a_rank_that_dies_of_it_is_named_and_costs_its_cells() {
    for record in records_of("crash", &["--profile", "ranks", "multi_gpu::", "--skip", "broadcast"]) {
        let Verdict::Fail { reason } = &record.verdict else { panic!("{:?}", record.verdict) };
        assert!(reason.contains("rank 1: its process died: SIGSEGV"), "{reason}");
    }
}

#[test]
fn an_exit_is_a_crash_too() {
    crashes_with("exit", "exit 0");
}

#[test]
fn a_hang_ends_at_the_deadline() {
    for record in records_of("hang", &["--profile", "impatient"]) {
        assert_eq!(record.verdict, Verdict::Timeout { deadline_ms: 1000 });
    }
}

#[test]
fn a_write_behind_an_output_is_found_and_placed() {
    fails_saying("writes_past_end", &["`y`: byte 1 after the payload was overwritten"]);
}

#[test]
fn a_write_behind_the_workspace_is_found_too() {
    fails_saying("overruns_workspace", &["`workspace`: byte 1 after the payload was overwritten"]);
}

#[test]
fn a_message_that_is_too_long_is_found_too() {
    fails_saying("overruns_message", &["rc_fuse wrote behind args->call.message, which has 1024 bytes"]);
}

#[test]
fn a_changed_input_is_named() {
    fails_saying("mutates_input", &["input `x_0` was changed"]);
}

#[test]
fn an_error_is_quoted_with_its_message() {
    fails_saying("returns_error", &["rc_fuse returned RC_FAILED: no room for 2 streams"]);
}

#[test]
fn what_is_unsupported_should_have_been_said_before() {
    fails_saying(
        "unsupported",
        &["rc_fuse returned RC_UNSUPPORTED; leave it out of rc_subject_info, and its cells are skipped"],
    );
}

#[test]
fn bits_that_change_from_call_to_call_are_found_by_both_suites() {
    for record in records_of("differs_when_repeated", &["--profile", "quick"]) {
        let Verdict::Fail { reason } = &record.verdict else { panic!("{:?}", record.verdict) };
        let expected = match record.cell.suite.name() {
            "determinism" => "broken at rung repeat: run 0 differs",
            _ => "not always written",
        };
        assert!(reason.contains(expected), "{}: {reason}", record.cell.name);
    }
}

#[test]
fn wrong_bits_are_held_against_those_of_this_program() {
    for record in records_of("zeros", &["--profile", "quick", "--skip", "accuracy"]) {
        let Verdict::Fail { reason } = &record.verdict else { panic!("{:?}", record.verdict) };
        assert!(reason.contains("concatenated_resamples"), "its own resample says so first: {reason}");
    }
    let project = Project::with_matrix(MATRIX);
    let library = compile::fixture("zeros_everywhere", &project.path("")).display().to_string();
    let ended = project.run(&["--profile", "quick", "--subject", &library, "determinism::resample"]);
    assert_eq!(ended.code, Some(1), "{}", ended.printed());
    for record in project.records() {
        let Verdict::Fail { reason } = &record.verdict else { panic!("{:?}", record.verdict) };
        assert!(reason.contains("broken at rung builtin") && reason.contains("got 0.0 (0x00000000)"), "{reason}");
    }
}

#[test]
fn what_a_subject_lacks_is_skipped_with_the_reason() {
    let project = Project::with_matrix(MATRIX);
    let library = compile::fixture("resample_only", &project.path("")).display().to_string();
    let ended = project.run(&["--profile", "thorough", "--subject", &library, "accuracy::", "--skip", "voxelize"]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    for record in project.records() {
        let lacks = |what: &str| Verdict::Skip { reason: SkipReason::SubjectLacks(what.to_owned()) };
        let name = &record.cell.name;
        let expected = if name.contains("::fuse::") {
            lacks("it does not export rc_fuse")
        } else if !name.contains("::f32::") {
            lacks(&format!("it takes no {}", record.cell.dtype))
        } else if name.contains("_i64::") {
            lacks("it takes no times of i64")
        } else {
            Verdict::Pass
        };
        assert_eq!(record.verdict, expected, "{name}");
    }
}

#[test]
fn a_run_of_nothing_but_skips_is_not_green() {
    let project = Project::with_matrix(MATRIX);
    let library = compile::fixture("resample_only", &project.path("")).display().to_string();
    let ended = project.run(&["--profile", "quick", "--subject", &library, "fuse"]);
    assert_eq!(ended.code, Some(3), "{}", ended.printed());
}
