//! The options of every Rust test program.

use std::collections::BTreeSet;

use validation::evidence::Environment;
use validation_testing::project::{Project, machine, names};

fn set(names: Vec<String>) -> BTreeSet<String> {
    let count = names.len();
    let set: BTreeSet<_> = names.into_iter().collect();
    assert_eq!(set.len(), count, "a cell is listed twice");
    set
}

#[test]
fn a_list_has_one_line_for_each_cell_and_runs_none() {
    let project = Project::new();
    let terse = project.run(&["--list", "--format", "terse"]);
    assert_eq!((terse.code, terse.stderr.as_str()), (Some(0), ""));
    assert_eq!(terse.stdout.lines().count(), 2 * 2 * (6 + 3 + 2 + 6));
    assert!(terse.stdout.lines().all(|line| line.ends_with("::uniform: test")), "{}", terse.stdout);
    assert_eq!(project.run(&["--list"]).stdout, terse.stdout);
    assert!(!project.output().exists(), "a list is no run");
}

#[test]
fn just_the_cells_that_cannot_run_here_are_ignored() {
    let project = Project::new();
    let all = set(project.listed(&[]));
    let ignored = set(project.listed(&["--ignored"]));
    let cuda = all.iter().filter(|name| name.contains("::cuda::")).cloned().collect();
    assert_eq!(ignored, if machine().gpus.is_empty() { cuda } else { BTreeSet::new() });
}

#[test]
fn filters_select_as_in_a_test_program() {
    let project = Project::new();
    let all = set(project.listed(&[]));
    let select = |condition: &dyn Fn(&str) -> bool| all.iter().filter(|name| condition(name)).cloned().collect();
    let cases: [(&[&str], BTreeSet<String>); 5] = [
        (&["fuse::cpu"], select(&|name| name.contains("fuse::cpu"))),
        (
            &["cpu", "--skip", "accuracy", "--skip=f16"],
            select(&|name| name.contains("cpu") && !name.contains("accuracy") && !name.contains("f16")),
        ),
        (
            &["fuse::cpu", "--skip", "f16", "accuracy::voxelize"],
            select(&|name| {
                (name.contains("fuse::cpu") || name.contains("accuracy::voxelize")) && !name.contains("f16")
            }),
        ),
        (&["accuracy::fuse::cpu::f32", "--exact"], BTreeSet::new()),
        (
            &["--exact", "accuracy::fuse::cpu::f32::b1_t1_1x1_2x1_f32::uniform"],
            select(&|name| name.starts_with("accuracy::fuse::cpu::f32::")),
        ),
    ];
    for (arguments, expected) in cases {
        assert_eq!(set(project.listed(arguments)), expected, "{arguments:?}");
    }
    // A list and a run agree.
    let arguments = ["resample::cpu", "fuse::cpu", "--skip", "accuracy", "--skip=f16"];
    assert_eq!(project.run(&arguments).code, Some(0));
    assert_eq!(names(&project.records()), set(project.listed(&arguments)));
    let environment = Environment::read(&project.only_run().join("environment.json")).unwrap();
    assert_eq!(environment.selection.filters.include, ["resample::cpu", "fuse::cpu"]);
}

/// With one worker, cells end in the order of the plan.
#[test]
fn one_thread_runs_one_cell_at_a_time() {
    let project = Project::new();
    let ended = project.run(&["::cpu::", "--test-threads=1"]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    let recorded: Vec<_> = project.records().into_iter().map(|record| record.cell.name).collect();
    assert_eq!(recorded, project.listed(&["::cpu::"]));
}

#[test]
fn what_a_worker_prints_reaches_the_terminal_if_asked_for() {
    let project = Project::new();
    let silent = project.run(&["--profile", "hungry", "s100000000"]);
    assert_eq!((silent.code, silent.stderr.as_str()), (Some(1), ""), "{}", silent.stdout);
    let loud = project.run(&["--profile", "hungry", "s100000000", "--nocapture"]);
    assert_eq!(loud.code, Some(1));
    // The last words of a worker that may not allocate what it needs.
    assert!(loud.stderr.contains("panicked at") || loud.stderr.contains("memory allocation"), "{}", loud.stderr);
}

#[test]
fn colours_are_as_asked_for() {
    let project = Project::new();
    for (setting, colourful) in [("always", true), ("never", false), ("auto", false)] {
        let ended = project.run(&["accuracy::fuse::cpu::f32", "--color", setting]);
        assert_eq!(ended.stdout.contains("\u{1b}["), colourful, "{setting}: {:?}", ended.stdout);
    }
    let ended = project.run(&["no_such_cell", "--color=always"]);
    assert!(ended.stderr.contains("\u{1b}["), "{:?}", ended.stderr);
}
