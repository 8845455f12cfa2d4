//! What is the same passes, and one bit that is not is found.

use std::fs;

use validation::{
    observation::{GoldenFacts, Observation, Outcome},
    verdict::Verdict,
};
use validation_testing::project::{Ended, Project, program};

use crate::corpus::{CELL, GOLDEN, folder, forge, golden, record_of_cell, released, rewrite_manifest};

fn facts(outcome: &Option<Outcome>) -> &GoldenFacts {
    let Some(Outcome::Observed(observation)) = outcome else { panic!("{outcome:?}") };
    let Observation::BackwardCompat(facts) = &**observation else { panic!("{observation:?}") };
    facts
}

#[test]
fn the_goldens_of_every_release_are_reproduced_on_the_cpu_with_no_differing_bit() {
    let project = Project::of_repository();
    let ended = project.run(&["backward_compat", "--skip", "::cuda::"]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    let records = project.records();
    assert!(records.len() >= 232, "{}", records.len());
    assert!(records.iter().all(|record| record.verdict == Verdict::Pass && facts(&record.outcome).is_unchanged()));
    let elements: u64 = records.iter().map(|record| facts(&record.outcome).elements).sum();
    assert!(elements >= 124_000, "{elements}");
}

#[test]
fn one_changed_bit_of_a_result_is_found_and_can_be_replayed() {
    let project = released();
    forge(&project, "expected", "y");
    let ended = project.run(&["backward_compat"]);
    assert_eq!(ended.code, Some(1), "{}", ended.printed());
    let failed = record_of_cell(&project);
    let Verdict::Fail { reason } = &failed.verdict else { panic!("{:?}", failed.verdict) };
    assert!(reason.starts_with("not as release 0.9.0: `y`: 1 of 42 elements"), "{reason}");
    assert!(project.records().iter().all(|record| record.cell.name == CELL || record.verdict == Verdict::Pass));

    // The bundle needs neither the goldens nor the matrix.
    let bundles: Vec<_> = fs::read_dir(project.only_run().join("bundles")).unwrap().collect();
    let [Ok(bundle)] = &bundles[..] else { panic!("{bundles:?}") };
    fs::remove_dir_all(folder(&project)).unwrap();
    let replayed: Ended = program().arg("repro").arg(bundle.path()).output().unwrap().into();
    assert_eq!(replayed.code, Some(1), "{}", replayed.printed());
    assert!(replayed.stdout.contains("same bits"), "{}", replayed.printed());
}

#[test]
fn a_changed_generator_is_found_though_the_operator_is_fed_the_old_inputs() {
    let project = released();
    forge(&project, "input", "tt");
    let ended = project.run(&["backward_compat"]);
    assert_eq!(ended.code, Some(1), "{}", ended.printed());
    let reason = format!("{:?}", record_of_cell(&project).verdict);
    assert!(reason.contains("the generator gives another `tt` for the same seed"), "{reason}");
}

#[test]
fn a_golden_that_its_operator_does_not_take_any_more_fails() {
    let project = released();
    // As if problems of so many samples had other inputs now.
    rewrite_manifest(&project, |text| text.replacen(r#""s":5"#, r#""s":6"#, 1));
    let ended = project.run(&["backward_compat"]);
    assert_eq!(ended.code, Some(1), "{}", ended.printed());
    let verdict = record_of_cell(&project).verdict;
    let Verdict::Fail { reason } = &verdict else { panic!("{verdict:?}") };
    assert!(reason.starts_with("not as release 0.9.0: no longer accepted: `x` is f32[2, 5, 3]"), "{reason}");
    let checked = golden(&project, &["check"]);
    assert_eq!(checked.code, Some(1), "{}", checked.printed());
    assert!(checked.stdout.contains("another golden than the manifest says"), "{}", checked.printed());
}

#[test]
fn an_altered_byte_is_found_before_anything_is_computed_with_it() {
    let project = released();
    let path = folder(&project).join(GOLDEN);
    let whole = fs::read(&path).unwrap();
    for at in [0, 9, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let checked = golden(&project, &["check"]);
        assert_eq!(checked.code, Some(1), "{at}: {}", checked.printed());
        assert!(checked.stdout.contains(GOLDEN) && checked.stdout.contains("it was altered"), "{}", checked.printed());
    }
    let ended = project.run(&["backward_compat"]);
    assert_eq!(ended.code, Some(1), "{}", ended.printed());
    let verdict = record_of_cell(&project).verdict;
    let Verdict::Error { message } = &verdict else { panic!("{verdict:?}") };
    assert!(message.contains("it was altered") && message.contains("`git checkout`"), "{message}");
}
