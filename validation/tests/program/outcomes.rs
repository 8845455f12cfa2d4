//! Exit statuses 0, 1, 3 and 4, and the evidence behind them.

use std::fs;

use validation::{cell::Device, plan::SkipReason, verdict::Verdict};
use validation_testing::project::{Project, machine, names};

#[test]
fn every_planned_cell_is_recorded_exactly_once() {
    let project = Project::new();
    let ended = project.run(&[]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    let records = project.records();
    assert_eq!(names(&records), project.listed(&[]).into_iter().collect());

    let has_gpu = !machine().gpus.is_empty();
    for record in &records {
        match (&record.verdict, record.cell.device) {
            (Verdict::Pass, _) => {}
            (Verdict::Skip { reason: SkipReason::MachineLacks(what) }, Device::Cuda) if !has_gpu => {
                assert!(what.contains("CUDA"), "{what}");
                assert!(record.outcome.is_none(), "a skipped cell has an outcome");
            }
            (verdict, _) => panic!("{}: {verdict:?}", record.cell),
        }
    }
    let executed = records.iter().filter(|record| record.verdict == Verdict::Pass).count();
    let skipped = records.len() - executed;
    assert!(executed > 0 && (skipped > 0) != has_gpu);
    assert!(ended.stdout.contains(&format!("PASSED: {executed} passed, 0 failed, {skipped} skipped\n")));
    assert!(ended.stdout.contains("skipped: this machine cannot run it: CUDA") != has_gpu, "{}", ended.stdout);
    for record in &records {
        // Skipped cells are counted by reason instead.
        let shown = usize::from(record.outcome.is_some());
        assert_eq!(ended.stdout.matches(&format!("{}\n", record.cell)).count(), shown, "{}", record.cell);
    }

    let junit = fs::read_to_string(project.only_run().join("junit.xml")).unwrap();
    assert_eq!(junit.matches("<testcase ").count(), records.len());
    assert_eq!(fs::read(project.only_run().join("matrix.yaml")).unwrap(), fs::read(project.matrix()).unwrap());
}

#[test]
fn the_repository_s_matrix_passes_where_it_can() {
    let project = Project::of_repository();
    let ended = project.run(&["resample::cpu::f32::b1_s1_"]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    assert_eq!(names(&project.records()), project.listed(&["resample::cpu::f32::b1_s1_"]).into_iter().collect());
}

#[test]
fn one_crash_fails_the_run_and_no_other_cell() {
    let project = Project::new();
    let ended = project.run(&["--profile", "hungry"]);
    assert_eq!(ended.code, Some(1), "{}", ended.printed());
    let records = project.records();
    assert_eq!(names(&records), project.listed(&["--profile", "hungry"]).into_iter().collect());
    let (hungry, modest): (Vec<_>, Vec<_>) = records.iter().partition(|record| record.cell.name.contains("s100000000"));
    assert!(modest.len() > 1 && modest.iter().all(|record| record.verdict == Verdict::Pass));
    let [hungry] = hungry[..] else { panic!("{} cells are hungry", hungry.len()) };
    let Verdict::Crash { detail, .. } = &hungry.verdict else { panic!("{:?}", hungry.verdict) };
    assert!(!detail.is_empty() && ended.stdout.contains(detail.lines().next().unwrap()), "{detail}");

    // What is printed repeats that cell and nothing else.
    let repeat = ended.stdout.lines().find_map(|line| line.trim().strip_prefix("repeat: ")).unwrap();
    let words: Vec<_> = repeat.split(' ').collect();
    assert_eq!(words[words.len() - 2..], ["--exact", &hungry.cell.name]);
    assert_eq!(project.listed(&["--profile", "hungry", "--exact", &hungry.cell.name]), [hungry.cell.name.as_str()]);
}

#[test]
fn what_a_profile_requires_and_the_machine_lacks_makes_the_run_incomplete() {
    let project = Project::new();
    let ended = project.run(&["--profile", "demanding"]);
    assert_eq!(ended.code, Some(3), "{}", ended.printed());
    assert!(ended.stdout.contains("\nINCOMPLETE: "), "{}", ended.stdout);
    assert!(ended.stdout.contains("\n  the profile requires nccl: 1000: "), "{}", ended.stdout);
    assert!(project.records().iter().all(|record| record.verdict == Verdict::Pass));
}

#[test]
fn nightly_without_a_gpu_is_incomplete() {
    if !machine().gpus.is_empty() {
        return;
    }
    let project = Project::of_repository();
    let ended = project.run(&["--profile", "nightly", "accuracy::resample::cpu::f32::b1_s1_"]);
    assert_eq!(ended.code, Some(3), "{}", ended.printed());
    assert!(
        ended.stdout.contains(&format!("INCOMPLETE: {} passed, 0 failed, 0 skipped\n", project.records().len())),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("\n  the profile requires cuda: CUDA is not available"), "{}", ended.stdout);
}

#[test]
fn a_run_in_which_nothing_could_be_executed_is_not_green() {
    if !machine().gpus.is_empty() {
        return;
    }
    let project = Project::new();
    let ended = project.run(&["::cuda::"]);
    assert_eq!(ended.code, Some(3), "{}", ended.printed());
    assert!(ended.stdout.contains("INCOMPLETE: 0 passed, 0 failed, "), "{}", ended.stdout);
    assert!(ended.stdout.contains("\n  no cell was executed\n"), "{}", ended.stdout);
    assert!(!project.records().is_empty());
}

/// Tests may run as root, whom no permission stops: a file stands where the folder should be.
#[test]
fn evidence_that_cannot_be_written_is_a_failure_of_the_harness() {
    let project = Project::new();
    fs::write(project.path("evidence"), "").unwrap();
    let ended = project.run(&[]);
    assert_eq!(ended.code, Some(4), "{}", ended.printed());
    assert_eq!(ended.stdout, "", "a cell was executed without evidence");
    assert!(ended.stderr.starts_with("error: cannot create the folder `"), "{}", ended.stderr);
    assert!(ended.stderr.contains("/evidence"), "{}", ended.stderr);
}
