//! What comes of mutants and controls, and what is written down of it.

use std::fs;

use validation::mutants::{Fate, Role, Trial};
use validation_testing::project::Project;

use crate::patches::{CONTRACTION, DEFECT, NOTHING, Patches, file, header, mutants, record};

#[test]
fn every_cheat_is_found_and_the_evidence_says_how() {
    let project = Project::new();
    let ended = mutants(&project, &["cheat", "--repeats", "2", "--control-repeats", "2"]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    assert!(ended.stdout.contains("PASSED") && ended.stdout.contains("0 false alarms"), "{}", ended.printed());

    let record = record(&project);
    assert_eq!((record.format, record.device.as_str(), record.repeats), (1, "cpu", 2));
    assert!(record.rows.len() >= 8, "{}", ended.printed());
    for row in &record.rows {
        match row.specimen.role {
            Role::Mutant { kind: _, killed_by } => {
                assert_eq!(row.fate, Fate::Killed, "{}", row.specimen.name);
                let tally = row.suites.iter().find(|tally| tally.suite == killed_by.name()).unwrap();
                assert!((tally.trials, tally.alarms) == (2, 2) && tally.median_detected_ms.is_some_and(|ms| ms > 0.0));
                assert!(tally.first.as_ref().is_some_and(|(cell, _)| cell.starts_with(killed_by.name())));
            }
            Role::Control => assert_eq!((row.specimen.name.as_str(), &row.fate), ("unpatched", &Fate::Clean)),
        }
    }
    let journal = fs::read_to_string(file(&project, "mutants.jsonl")).unwrap();
    let trials: Vec<Trial> = journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(trials.len(), 2 * record.rows.len());
    let table = fs::read_to_string(file(&project, "mutants.md")).unwrap();
    assert!(record.rows.iter().all(|row| table.contains(&row.specimen.name)), "{table}");
}

#[test]
fn a_survivor_fails_the_run_and_comes_first() {
    let patches = Patches::new(&[
        ("mutants/cpu/a_found.patch", header("accuracy") + DEFECT),
        ("mutants/cpu/b_unfound.patch", header("accuracy") + NOTHING),
    ]);
    let ended = patches.run(&[]);
    assert_eq!(ended.code, Some(1), "{}", ended.printed());
    assert!(ended.stdout.contains("FAILED: 1 of 2 mutants"), "{}", ended.printed());
    assert!(ended.stdout.contains("repeat: validation mutants b_unfound"), "{}", ended.printed());
    let record = patches.record();
    let fates: Vec<_> = record.rows.iter().map(|row| (row.specimen.name.as_str(), &row.fate)).collect();
    let survived = Fate::Survived { trials: 1 };
    assert_eq!(fates, [("b_unfound", &survived), ("a_found", &Fate::Killed), ("unpatched", &Fate::Clean)]);
}

#[test]
fn who_is_found_by_another_suite_only_is_not_killed() {
    let patches = Patches::new(&[("mutants/cpu/contracted.patch", header("accuracy") + CONTRACTION)]);
    let ended = patches.run(&[]);
    assert_eq!(ended.code, Some(1), "{}", ended.printed());
    assert!(ended.stdout.contains("ELSEWHERE contracted") && ended.stdout.contains("determinism found in"));
    let patches = Patches::new(&[("mutants/cpu/contracted.patch", header("determinism") + CONTRACTION)]);
    assert_eq!(patches.run(&[]).code, Some(0));
}

#[test]
fn a_control_that_is_wrong_is_a_false_alarm() {
    let control = "what: It is said to be right.\noperators: resample\n".to_owned();
    let patches = Patches::new(&[
        ("mutants/cpu/wrong.patch", header("accuracy") + DEFECT),
        ("controls/cpu/not_right.patch", control + DEFECT),
    ]);
    let ended = patches.run(&[]);
    assert_eq!(ended.code, Some(1), "{}", ended.printed());
    assert!(ended.stdout.contains("1 false alarms on 2 controls"), "{}", ended.printed());
    assert_eq!(patches.record().rows[0].fate, Fate::FalseAlarm { trials: 1 });
}

#[test]
fn names_can_be_listed_and_nothing_is_run() {
    let project = Project::new();
    let ended = mutants(&project, &["--list", "clamp"]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    assert!(ended.stdout.contains("extrapolates_after_end: clamp_missing, killed by accuracy."), "{}", ended.printed());
    assert!(ended.stdout.contains("unpatched: control."), "{}", ended.printed());
    assert!(!project.output().exists());
}
