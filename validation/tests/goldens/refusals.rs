//! Goldens that are not there, were written anew, or are of a later program.

use std::fs;
use validation_testing::project::{Ended, Project};

use crate::corpus::{approve, folder, golden, released, replace};

/// A run must be refused before any cell is executed, with these words.
fn refused(project: &Project, words: &[&str]) {
    let mut ends: Vec<Ended> = vec![project.run(&["fuse"]), project.run(&["--list"])];
    ends.push(golden(project, &["check"]));
    for ended in ends {
        assert_eq!(ended.code, Some(2), "{}", ended.printed());
        for word in words {
            assert!(ended.stderr.contains(word), "no {word} in {}", ended.printed());
        }
    }
    assert_eq!(project.runs(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_missing_corpus_is_no_skip() {
    let project = released();
    fs::remove_dir_all(folder(&project)).unwrap();
    refused(&project, &["manifest.json"]);
    let ended = project.run(&[]);
    assert!(ended.stderr.contains("--> "), "{}", ended.printed());
    assert!(ended.stderr.contains("the goldens of release 0.9.0 cannot be used"), "{}", ended.printed());
    assert!(ended.stderr.contains("`git checkout` brings them back"), "{}", ended.printed());
}

/// What is added to the matrix: a profile without goldens, and one of nothing else.
const PROFILES: &str = "
  plain:
    description: No goldens.
    select: [{suites: [accuracy], operators: [fuse], problems: [golden], distributions: [uniform]}]
  only:
    description: Nothing but goldens.
    select: [{suites: [backward_compat], goldens: all}]
";

/// Cells of goldens that are not there cannot be listed: a profile that has some is refused, and only that.
#[test]
fn a_profile_that_selects_no_goldens_runs_without_them() {
    let project = released();
    approve(&project, "backward_compat::fuse::*", "results", "2999-12-31");
    let text = fs::read_to_string(project.matrix()).unwrap() + PROFILES;
    fs::write(project.matrix(), &text).unwrap();
    let listed = project.listed(&["--profile", "plain"]);
    assert!(!listed.is_empty());
    let whole = folder(&project);
    let manifest = whole.join("manifest.json");
    fs::write(&manifest, "altered").unwrap();
    let end = |profile: &str, more: &[&str]| project.run(&[&["--profile", profile][..], more].concat());
    for message in ["it is no file of goldens", "No such file"] {
        assert_eq!(project.listed(&["--profile", "plain"]), listed);
        let ended = end("plain", &[]);
        assert_eq!(ended.code, Some(0), "{}", ended.printed());
        for profile in ["quick", "only"] {
            for more in [&[][..], &["--list"], &["fuse"]] {
                let ended = end(profile, more);
                assert_eq!(ended.code, Some(2), "{profile} {more:?}: {}", ended.printed());
                assert!(ended.stderr.contains(message), "{profile} {more:?}: {}", ended.printed());
            }
        }
        let _ = fs::remove_dir_all(&whole);
    }
    // Every other mistake is one of any profile, as ever.
    fs::write(project.matrix(), text.replace("[fuse], problems", "[fuse], devices: [], problems")).unwrap();
    let ended = end("plain", &[]);
    assert!(ended.stderr.contains("this selection of `quick` has no cell"), "{}", ended.printed());
}

#[test]
fn goldens_that_were_written_anew_are_not_those_of_the_release() {
    let project = released();
    let text = fs::read_to_string(project.matrix()).unwrap();
    fs::remove_dir_all(folder(&project)).unwrap();
    replace(project.matrix(), "seed: 7", "seed: 8");
    assert_eq!(golden(&project, &["write", "--release", "0.9.0"]).code, Some(0));
    fs::write(project.matrix(), text).unwrap();
    refused(&project, &["it was altered", "the matrix says"]);
}

#[test]
fn a_golden_that_is_missing_is_the_error_of_its_cell() {
    let project = released();
    fs::remove_file(folder(&project).join("fuse.f16.b1_t4_3x2_2x1_f32.uniform.safetensors")).unwrap();
    let ended = project.run(&["backward_compat"]);
    assert_eq!(ended.code, Some(1), "{}", ended.printed());
    assert!(ended.stdout.contains("13 passed, 1 failed"), "{}", ended.printed());
    assert!(ended.stdout.contains("No such file"), "{}", ended.printed());
}

#[test]
fn a_newer_version_is_refused_whatever_else_it_holds() {
    let project = released();
    fs::write(folder(&project).join("manifest.json"), r#"{"version": 2, "anything": []}"#).unwrap();
    refused(&project, &["version 2 of goldens is newer than 1", "use the version of the program that wrote them"]);
}

#[test]
fn what_is_no_manifest_is_refused() {
    let project = released();
    let path = folder(&project).join("manifest.json");
    for text in ["", "[]", "{\"version\": \"1\"}", "\u{0}\u{1}"] {
        fs::write(&path, text).unwrap();
        refused(&project, &["it is no file of goldens, or only a part of one"]);
    }
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    refused(&project, &["links are not followed"]);
}
