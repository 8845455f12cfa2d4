//! `validation golden write`: once a release, the same bytes each time.

use std::{collections::BTreeMap, fs, path::Path};
use validation_testing::project::Project;

use crate::corpus::{MATRIX, RELEASE, folder, golden, printed_hash, released, replace};

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn the_same_program_and_matrix_give_the_same_bytes() {
    let write = || {
        let project = Project::with_matrix(MATRIX);
        let hash = printed_hash(&golden(&project, &["write", "--release", RELEASE]));
        (hash, contents(&folder(&project)))
    };
    let (hash, files) = write();
    assert_eq!((&hash, &files), (&write().0, &write().1));
    // Two problems of two dtypes, one of one, and two: with two distributions each.
    assert_eq!(files.len(), 2 * (2 * 2 + 1 + 2) + 1);
    assert_eq!(hash, blake3::hash(&files["manifest.json"]).to_hex().as_str());
}

#[test]
fn a_release_that_has_goldens_gets_no_others() {
    let project = released();
    let before = contents(&folder(&project));
    replace(project.matrix(), "seed: 7", "seed: 8");
    let refused = golden(&project, &["write", "--release", RELEASE]);
    assert_eq!(refused.code, Some(2), "{}", refused.printed());
    assert!(refused.stderr.contains("never written again; raise the version"), "{}", refused.printed());
    assert_eq!(contents(&folder(&project)), before);
    assert_eq!(fs::read_dir(project.path("goldens")).unwrap().count(), 1, "something else was left there");
}

#[test]
fn a_release_may_not_name_a_folder_elsewhere() {
    for release in ["..", "a/b", "", ".hidden"] {
        let project = Project::with_matrix(MATRIX);
        let refused = golden(&project, &["write", "--release", release]);
        assert_eq!(refused.code, Some(2), "{release}: {}", refused.printed());
        assert!(!project.path("goldens").exists(), "{release}");
    }
}

#[test]
fn without_a_recipe_nothing_is_written() {
    let project = Project::with_matrix(MATRIX);
    replace(project.matrix(), "    write: {problems: [golden], distributions: [uniform, special_values]}\n", "");
    let refused = golden(&project, &["write"]);
    assert_eq!(refused.code, Some(2), "{}", refused.printed());
    assert!(refused.stderr.contains("add `suites.backward_compat.write`"), "{}", refused.printed());
}

#[test]
fn goldens_are_listed_and_checked() {
    let project = released();
    let listed = golden(&project, &["list"]);
    assert_eq!(listed.stdout.lines().count(), 14, "{}", listed.printed());
    assert!(listed.stdout.starts_with("0.9.0 resample::f32::b2_s5_d3_t7_f32::uniform\n"), "{}", listed.printed());
    let checked = golden(&project, &["check"]);
    assert_eq!(checked.code, Some(0), "{}", checked.printed());
    assert_eq!(checked.stdout, "release 0.9.0: 14 goldens as written\n");
}
