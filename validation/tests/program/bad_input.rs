//! Exit status 2: one diagnostic, and nothing executed.

use validation_testing::project::{Ended, MATRIX, Project, program};

/// Nothing ran, and nothing was left behind.
fn check_refused(name: &str, project: &Project, ended: &Ended) {
    assert_eq!(ended.code, Some(2), "{name}: {}", ended.printed());
    assert_eq!(ended.stdout, "", "{name}");
    assert!(!project.output().exists(), "{name}: evidence of nothing");
    assert_eq!(ended.stderr.matches("error: ").count(), 1, "{name}: {}", ended.stderr);
}

/// The small matrix with one change.
fn changed(from: &str, to: &str) -> String {
    assert_eq!(MATRIX.matches(from).count(), 1, "`{from}` must stand for one place");
    MATRIX.replace(from, to)
}

#[test]
fn a_bad_matrix_is_shown_at_its_place() {
    // What is wrong, the matrix, and the text at which the diagnostic must point: the last of its kind.
    let cases = [
        ("an unknown key", changed("seed: 7", "seed: 7\nseeed: 8"), "seeed"),
        ("a duplicate key", changed("seed: 7", "seed: 7\nseed: 8"), "seed"),
        ("a wrong type", changed("seed: 7", "seed: seven"), "seven"),
        ("an unknown operator", changed("\n  fuse:", "\n  fuze:"), "fuze"),
        ("an unknown suite", changed("  accuracy: {}", "  acuracy: {}"), "acuracy"),
        ("an unknown dtype", changed("dtypes: [f32], distributions", "dtypes: [f33], distributions"), "f33"),
        (
            "a selection of nothing",
            changed("{problems: [trivial], distributions", "{problems: [], distributions"),
            "{problems: []",
        ),
        ("no YAML", "version: 1\nseed: }".to_owned(), "}"),
    ];
    for (name, matrix, text) in cases {
        let project = Project::with_matrix(&matrix);
        let ended = project.run(&[]);
        check_refused(name, &project, &ended);
        let before = &matrix[..matrix.rfind(text).unwrap()];
        let (line, column) =
            (before.matches('\n').count() + 1, before.rsplit('\n').next().unwrap().chars().count() + 1);
        let place = format!("--> {}:{line}:{column}\n", project.matrix().display());
        assert!(ended.stderr.contains(&place), "{name}: no `{place}` in {}", ended.stderr);
        assert!(ended.stderr.contains('^'), "{name}: {}", ended.stderr);
    }
}

#[test]
fn an_unknown_profile_is_shown_where_profiles_are() {
    let project = Project::new();
    let ended = project.run(&["--profile", "quik"]);
    check_refused("an unknown profile", &project, &ended);
    let line = 1 + MATRIX.lines().position(|line| line == "profiles:").unwrap();
    let place = format!("--> {}:{}:", project.matrix().display(), line + 1);
    assert!(ended.stderr.contains(&place) && ended.stderr.contains("`quik`"), "{}", ended.stderr);
    assert!(ended.stderr.contains('^') && ended.stderr.contains("quick"), "{}", ended.stderr);
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let garbage: Vec<u8> = (0..10_u32 << 20).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (name, bytes) in [("10 MB", garbage.as_slice()), ("a few", &garbage[..100]), ("none", &[])] {
        let project = Project::with_matrix(bytes);
        let ended = project.run(&[]);
        check_refused(name, &project, &ended);
        assert!(ended.stderr.contains("/matrix.yaml:1:") && ended.stderr.contains('^'), "{name}: {}", ended.stderr);
        assert!(ended.stderr.len() < 4_000, "{name} is shown in full");
    }
}

#[test]
fn a_matrix_that_is_not_there_is_named() {
    let project = Project::new();
    std::fs::remove_file(project.matrix()).unwrap();
    let ended = project.run(&[]);
    check_refused("no matrix", &project, &ended);
    assert!(ended.stderr.contains("/matrix.yaml: cannot read the matrix: No such file"), "{}", ended.stderr);

    // Neither named nor found: the program lies in a folder without one, and so does the current folder.
    let ended: Ended = program().current_dir("/").args(["--output", "/nonexistent"]).output().unwrap().into();
    assert_eq!(ended.code, Some(2), "{}", ended.printed());
    assert!(ended.stderr.contains("no matrix.yaml in /"), "{}", ended.stderr);
}

#[test]
fn a_filter_that_matches_nothing_is_no_success() {
    let project = Project::new();
    for arguments in [&["no_such_cell"][..], &["--exact", "accuracy::fuse"], &["--skip", "::"]] {
        let ended = project.run(arguments);
        check_refused(arguments[0], &project, &ended);
        assert!(ended.stderr.contains("no cell of profile `quick` matches the filters"), "{}", ended.stderr);
    }
}

#[test]
fn an_unknown_option_is_answered_with_the_usage() {
    let project = Project::new();
    for arguments in [&["--no-such-option"][..], &["--test-threads", "many"], &["--profile"]] {
        let ended = project.run(arguments);
        check_refused(arguments[0], &project, &ended);
        assert!(ended.stderr.contains(arguments[0]), "{}", ended.stderr);
    }
    let ended = project.run(&["--no-such-option"]);
    assert!(ended.stderr.contains("Usage: validation"), "{}", ended.stderr);
}
