//! `--shard` and `collect`: a profile shared by several processes, and their runs as one.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use validation::evidence::read_log;
use validation_testing::project::{Ended, Project, program};

/// Runs each of `of` shards of the cells that `filter` selects.
fn run_shards(project: &Project, of: usize, filter: &str) -> Vec<Ended> {
    (1..=of).map(|number| project.run(&["--shard", &format!("{number}/{of}"), filter])).collect()
}

fn collect(runs: &[&Path], arguments: &[&str]) -> Ended {
    program().arg("collect").args(runs).args(arguments).output().unwrap().into()
}

fn paths(runs: &[PathBuf]) -> Vec<&Path> {
    runs.iter().map(PathBuf::as_path).collect()
}

#[test]
fn every_cell_is_in_exactly_one_shard() {
    let project = Project::new();
    let all = project.listed(&[]);
    let mut of_shards: Vec<String> =
        (1..=3).flat_map(|number| project.listed(&["--shard", &format!("{number}/3")])).collect();
    assert_eq!(of_shards.len(), all.len());
    // The list of a shard is in the plan's order too.
    of_shards.sort_by_key(|name| all.iter().position(|other| other == name));
    assert_eq!(of_shards, all);
    assert_eq!(project.listed(&["--shard=1/1"]), all);
}

#[test]
fn the_runs_of_all_shards_are_summed_up_as_one() {
    let project = Project::new();
    for ended in run_shards(&project, 3, "resample::cpu") {
        assert_eq!(ended.code, Some(0), "{}", ended.printed());
    }
    let runs = project.runs();
    let mut recorded = BTreeSet::new();
    for (number, run) in (1..).zip(&runs) {
        let environment = fs::read_to_string(run.join("environment.json")).unwrap();
        assert!(environment.contains(&format!("\"shard\": \"{number}/3\"")), "{environment}");
        for record in read_log(&run.join("records.jsonl")).unwrap().records {
            assert!(recorded.insert(record.cell.name.clone()), "{} is recorded twice", record.cell);
        }
    }
    let all = project.listed(&["resample::cpu"]);
    assert_eq!(recorded, all.iter().cloned().collect());

    let junit = project.path("all.xml");
    let markdown = project.path("all.md");
    let files = ["--junit", &junit.to_string_lossy(), "--markdown", &markdown.to_string_lossy()];
    let ended = collect(&paths(&runs), &files);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    assert!(
        ended.stdout.ends_with(&format!("PASSED: {} passed, 0 failed, 0 skipped\n", all.len())),
        "{}",
        ended.stdout
    );
    assert_eq!(fs::read_to_string(junit).unwrap().matches("<testcase ").count(), all.len());
    let markdown = fs::read_to_string(markdown).unwrap();
    assert!(
        markdown.starts_with(&format!("# `quick`: PASSED: {} passed, 0 failed, 0 skipped\n", all.len())),
        "{markdown}"
    );
    assert_eq!(markdown.matches("| run | ").count(), 3, "{markdown}");
}

#[test]
fn a_shard_without_cells_is_well_but_a_selection_of_nothing_is_not() {
    let project = Project::new();
    let ended = run_shards(&project, 7, "accuracy::fuse::cpu::f32");
    let empty: Vec<_> =
        ended.iter().filter(|ended| ended.stdout.contains("holds none of the 1 selected cells")).collect();
    assert_eq!(empty.len(), 6);
    for ended in &ended {
        assert_eq!(ended.code, Some(0), "{}", ended.printed());
    }
    // An empty run says that its shard was not forgotten.
    assert_eq!(collect(&paths(&project.runs()), &[]).code, Some(0));

    let nothing = Project::new();
    for ended in run_shards(&nothing, 2, "no_such_cell") {
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{}", ended.printed());
    }
    assert!(!nothing.output().exists());
}

#[test]
fn what_is_no_shard_is_refused() {
    let project = Project::new();
    let cases = [
        ("0/3", "shards are numbered from 1 to 3"),
        ("4/3", "shards are numbered from 1 to 3"),
        ("1/0", "at least one shard"),
        ("x", "`x` is no shard"),
    ];
    for (shard, message) in cases {
        let ended = project.run(&["--shard", shard]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{shard}: {}", ended.printed());
        assert!(ended.stderr.contains(message), "{shard}: {}", ended.stderr);
    }
    assert!(!project.output().exists());
}

#[test]
fn a_shard_is_resumed_as_that_shard_only() {
    let project = Project::new();
    assert_eq!(project.run(&["--shard=1/2", "resample::cpu"]).code, Some(0));
    assert_eq!(project.run(&["--resume=latest", "--shard=1/2", "resample::cpu"]).code, Some(0));
    let ended = project.run(&["--resume=latest", "--shard=2/2", "resample::cpu"]);
    assert_eq!(ended.code, Some(2), "{}", ended.printed());
    assert!(
        ended.stderr.contains("the filters was `resample::cpu --shard 1/2` and is now `resample::cpu --shard 2/2`"),
        "{}",
        ended.stderr
    );
}

#[test]
fn what_is_missing_from_shards_keeps_them_from_being_complete() {
    let project = Project::new();
    run_shards(&project, 3, "resample::cpu");
    let runs = project.runs();
    let ended = collect(&[&runs[0], &runs[2]], &[]);
    assert_eq!(ended.code, Some(3), "{}", ended.printed());
    assert!(ended.stdout.contains("INCOMPLETE") && ended.stdout.contains("no run of shard 2/3"), "{}", ended.stdout);

    // A run that was killed has fewer records than it was asked for.
    let log = runs[1].join("records.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    let rest: Vec<&str> = text.lines().collect();
    fs::write(&log, format!("{}\n", rest[..rest.len() - 2].join("\n"))).unwrap();
    let ended = collect(&paths(&runs), &[]);
    assert_eq!(ended.code, Some(3), "{}", ended.printed());
    assert!(ended.stdout.contains(&format!("2 of {} cells have no verdict", rest.len())), "{}", ended.stdout);
}

#[test]
fn a_failure_in_one_shard_fails_the_whole() {
    let project = Project::new();
    for number in ["1/2", "2/2"] {
        project.run(&["--profile", "hungry", "--shard", number]);
    }
    let ended = collect(&paths(&project.runs()), &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.printed());
    assert!(ended.stdout.contains("FAILED") && ended.stdout.contains("repeat: "), "{}", ended.stdout);
}

#[test]
fn runs_that_do_not_belong_together_are_refused() {
    let project = Project::new();
    run_shards(&project, 2, "resample::cpu");
    project.run(&["--shard=1/3", "resample::cpu"]);
    project.run(&["--shard=2/2", "fuse::cpu"]);
    project.run(&["resample::cpu"]);
    let runs = project.runs();
    let refused = |first: usize, second: usize, message: &str| {
        let ended = collect(&[&runs[first], &runs[second]], &[]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{}", ended.printed());
        assert!(ended.stderr.contains(message), "{}", ended.stderr);
    };
    refused(0, 0, "are both runs of shard 1/2");
    refused(1, 2, "are shards of different numbers");
    refused(0, 3, "do not belong together: the filters was `resample::cpu` and is now `fuse::cpu`");
    refused(0, 4, "is of no shard");
    // A whole run by itself is shown once more.
    assert_eq!(collect(&[&runs[4]], &[]).code, Some(0));
}
