//! Which runs are found, and which are continued.

use std::{fs, path::Path};

use validation::evidence::{Filters, Run, RunError, run::find};
use validation_testing::fixture::{MATRIX, environment, new_run, passed, resume, usual_environment};

#[test]
fn a_run_begins_complete_and_is_named_by_its_folder() {
    let root = tempfile::tempdir().unwrap();
    let run = new_run(root.path());
    assert_eq!(run.folder().file_name().unwrap().to_str(), Some(run.name()));
    assert_eq!(fs::read(run.folder().join("matrix.yaml")).unwrap(), MATRIX);
    let mut files: Vec<_> = fs::read_dir(run.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["environment.json", "matrix.yaml", "records.jsonl"]);
    let report = run.write_report("junit.xml", b"<testsuites/>").unwrap();
    assert_eq!(fs::read(report).unwrap(), b"<testsuites/>");
}

#[test]
fn runs_that_start_in_the_same_moment_get_folders_of_their_own() {
    let root = tempfile::tempdir().unwrap();
    let environment = usual_environment();
    let first = Run::create(root.path(), environment.clone(), MATRIX).unwrap();
    let second = Run::create(root.path(), environment, MATRIX).unwrap();
    assert_eq!(second.name(), format!("{}-2", first.name()));
}

#[test]
fn a_run_is_found_by_path_by_name_and_as_the_latest() {
    let root = tempfile::tempdir().unwrap();
    let mut folders = Vec::new();
    for _ in 0..3 {
        let run = new_run(root.path());
        folders.push((run.name().to_owned(), run.folder().to_owned()));
        run.close().unwrap();
    }
    // A run that was killed before it began is no candidate.
    fs::create_dir(folders[0].1.with_file_name("99990101T000000.000Z")).unwrap();
    let (name, folder) = &folders[1];
    assert_eq!(&find(root.path(), name).unwrap(), folder);
    assert_eq!(&find(Path::new("nowhere"), folder.to_str().unwrap()).unwrap(), folder);
    assert_eq!(find(root.path(), "latest").unwrap(), folders[2].1);

    let missing = find(root.path(), "yesterday").unwrap_err();
    assert!(matches!(missing, RunError::NotFound { .. }), "{missing}");
    let nothing = find(&root.path().join("empty"), "latest").unwrap_err();
    assert!(matches!(nothing, RunError::NotFound { .. }), "{nothing}");
    fs::create_dir_all(root.path().join("another-commit").join(name)).unwrap();
    let several = find(root.path(), name).unwrap_err();
    assert!(matches!(&several, RunError::Ambiguous { folders, .. } if folders.len() == 2), "{several}");
}

#[test]
fn a_resumed_run_knows_what_is_done_and_tells_its_own_environment() {
    let root = tempfile::tempdir().unwrap();
    let run = new_run(root.path());
    let (folder, name) = (run.folder().to_owned(), run.name().to_owned());
    run.log().append(&passed("n0")).unwrap();
    run.close().unwrap();
    for round in 1..=2 {
        let run = resume(&folder).unwrap();
        assert_eq!(run.name(), name);
        assert_eq!(run.earlier().len(), round);
        assert_eq!(run.log().append(&passed(&format!("n{round}"))).unwrap(), round as u64);
        run.close().unwrap();
        assert!(folder.join(format!("environment-{round}.json")).exists());
    }
    assert_eq!(resume(&folder).unwrap().earlier().len(), 3);
}

#[test]
fn a_run_is_not_continued_with_another_question() {
    let root = tempfile::tempdir().unwrap();
    let run = new_run(root.path());
    let folder = run.folder().to_owned();
    run.close().unwrap();
    let continue_with = |environment| {
        let Err(error) = Run::resume(root.path(), "latest", environment) else { panic!("it was continued") };
        assert!(matches!(error, RunError::Differs { .. }), "{error}");
        error.to_string()
    };
    let filters = Filters {
        include: vec!["mean".to_owned()],
        exact: true,
        skip: vec!["cuda".to_owned()],
        shard: None,
        launched: None,
    };
    let message = continue_with(environment("nightly", filters, b"version: 2\n"));
    for part in
        ["the profile was quick and is now nightly", "`mean --exact --skip cuda`", "the matrix", "start a new run"]
    {
        assert!(message.contains(part), "{message}");
    }
    let mut other_program = usual_environment();
    other_program.program.hash = "f".repeat(64);
    assert!(continue_with(other_program).contains("the program (its hash)"));
    // A refusal leaves nothing behind.
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
}

#[test]
fn what_is_no_whole_run_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let run = new_run(root.path());
    let folder = run.folder().to_owned();
    run.close().unwrap();

    fs::write(folder.join("matrix.yaml"), "version: 1\nseed: 8\n").unwrap();
    assert!(matches!(resume(&folder), Err(RunError::MatrixChanged(_))));
    fs::write(folder.join("matrix.yaml"), MATRIX).unwrap();

    let environment = fs::read_to_string(folder.join("environment.json")).unwrap();
    fs::write(folder.join("environment.json"), environment.replacen("\"format\": 1", "\"format\": 2", 1)).unwrap();
    let error = resume(&folder).err().unwrap().to_string();
    assert!(error.contains("format 2 is newer"), "{error}");
    fs::write(folder.join("environment.json"), &environment[..100]).unwrap();
    let error = resume(&folder).err().unwrap().to_string();
    assert!(error.contains("environment.json` is damaged"), "{error}");
    fs::remove_file(folder.join("environment.json")).unwrap();
    assert!(matches!(resume(&folder), Err(RunError::NeverStarted(_))));
}

#[test]
fn a_shared_run_is_joined_by_the_same_program_and_matrix_only() {
    let root = tempfile::tempdir().unwrap();
    Run::join(root.path(), "nextest-1", usual_environment(), MATRIX).unwrap().close().unwrap();
    let exact = Filters { include: vec!["one".to_owned()], exact: true, skip: Vec::new(), shard: None, launched: None };
    Run::join(root.path(), "nextest-1", environment("quick", exact, MATRIX), MATRIX).unwrap().close().unwrap();
    let other = Run::join(root.path(), "nextest-1", environment("soak", Filters::default(), MATRIX), MATRIX);
    assert!(matches!(other, Err(RunError::Differs { .. })));
    for unfit in ["", "..", "a/b", ".hidden", "a b"] {
        let joined = Run::join(root.path(), unfit, usual_environment(), MATRIX);
        assert!(matches!(joined, Err(RunError::UnfitName(_))), "{unfit}");
    }
}

#[test]
fn a_root_that_cannot_be_written_says_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("file"), "").unwrap();
    let error = Run::create(&root.path().join("file"), usual_environment(), MATRIX).err().unwrap().to_string();
    assert!(error.contains("choose another evidence folder"), "{error}");
}
