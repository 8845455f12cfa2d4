//! examples/c_subject passes every suite that a CPU has, and leaves evidence of what it is.

use std::{collections::BTreeSet, fs};

use validation::{
    evidence::Environment,
    observation::{Observation, Outcome},
    plan::SkipReason,
    verdict::Verdict,
};
use validation_testing::{compile, project::Project};

const MATRIX: &str = include_str!("matrix.yaml");

fn project_with_example() -> (Project, String) {
    let project = Project::with_matrix(MATRIX);
    let library = compile::example(&project.path(""));
    (project, library.display().to_string())
}

#[test]
fn it_gives_the_right_bits_for_every_dtype_and_distribution() {
    let (project, library) = project_with_example();
    let ended = project.run(&["--profile", "thorough", "--subject", &library]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    let records = project.records();
    assert!(records.len() > 400, "{}", records.len());
    assert!(records.iter().all(|record| record.verdict == Verdict::Pass));
    assert!(ended.stdout.contains("subject: c_subject 1.0 ("), "{}", ended.printed());
}

#[test]
fn it_is_run_as_often_as_it_can_be_and_never_said_to_have_been_run_otherwise() {
    let (project, library) = project_with_example();
    let ended = project.run(&["--profile", "fresh", "--subject", &library, "determinism"]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    for record in project.records() {
        let Some(Outcome::Observed(observation)) = record.outcome else { panic!("{:?}", record.outcome) };
        let Observation::Determinism(facts) = *observation else { panic!("{observation:?}") };
        let rungs: Vec<_> = facts.rungs.iter().map(|rung| rung.rung.as_str()).collect();
        let expected = [
            "first_run",
            "repeat",
            "dirty_buffers",
            "reused_buffers",
            "permuted_targets",
            "split_batch",
            "fresh_process",
            "builtin",
        ];
        assert_eq!(rungs, expected);
    }
}

#[test]
fn its_operators_give_the_same_bits_over_several_ranks() {
    let (project, library) = project_with_example();
    let ended = project.run(&["--profile", "ranks", "--subject", &library]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    let (sharded, others): (Vec<_>, Vec<_>) =
        project.records().into_iter().partition(|record| record.cell.operator != "broadcast");
    assert!(sharded.len() > 60 && sharded.iter().all(|record| record.verdict == Verdict::Pass), "{}", sharded.len());
    let lacks =
        SkipReason::SubjectLacks("collectives, training and lost ranks run no operator of a subject".to_owned());
    assert!(others.len() == 1 && others[0].verdict == Verdict::Skip { reason: lacks }, "{others:?}");
}

#[test]
fn evidence_says_which_library_it_was_wherever_that_lay() {
    let (project, library) = project_with_example();
    let ended = project.run(&["--profile", "quick", "--subject", &library, "accuracy::resample"]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    let hash = blake3::hash(&fs::read(&library).unwrap()).to_hex().to_string();
    let environment = Environment::read(&project.only_run().join("environment.json")).unwrap();
    let subject = environment.subject.unwrap();
    assert_eq!((subject.name.as_str(), subject.version.as_str(), &subject.hash), ("c_subject", "1.0", &hash));
    assert!(!serde_json::to_string(&subject).unwrap().contains(".so"), "its path is no part of its identity");
    let hashes: BTreeSet<_> = project.records().into_iter().map(|record| record.subject_hash).collect();
    assert_eq!(hashes, [Some(hash.clone())].into());
    let junit = fs::read_to_string(project.only_run().join("junit.xml")).unwrap();
    assert!(junit.contains(&hash) && junit.contains("c_subject 1.0"), "{junit}");

    // The same bytes elsewhere are the same subject; other bytes are another, and so is none.
    let elsewhere = project.path("elsewhere.so");
    fs::copy(&library, &elsewhere).unwrap();
    let resume = |subject: &[&str]| {
        project.run(&[&["--profile", "quick", "accuracy::resample", "--resume=latest"], subject].concat())
    };
    let elsewhere = elsewhere.display().to_string();
    assert_eq!(resume(&["--subject", &elsewhere]).code, Some(0));
    let other = compile::fixture("hang", &project.path("")).display().to_string();
    for (arguments, now) in [(&["--subject", other.as_str()][..], "is now c_subject 1.0 of hash"), (&[], "is now none")]
    {
        let refused = resume(arguments);
        assert_eq!(refused.code, Some(2), "{}", refused.printed());
        assert!(refused.stderr.contains("the subject was c_subject 1.0 of hash"), "{}", refused.printed());
        assert!(refused.stderr.contains(now), "{}", refused.printed());
    }
}

#[test]
fn cells_of_another_device_are_skipped_and_say_why() {
    let (project, library) = project_with_example();
    let ended = project.run(&["--profile", "devices", "--subject", &library]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    let skips: Vec<_> = project
        .records()
        .into_iter()
        .filter_map(|record| match record.verdict {
            Verdict::Skip { reason } => Some((record.cell.device.to_string(), reason)),
            Verdict::Pass => None,
            other => panic!("{other:?}"),
        })
        .collect();
    let lacks = SkipReason::SubjectLacks("it computes on the CPU only".to_owned());
    assert_eq!(skips, [("cuda".to_owned(), lacks)]);
}

#[test]
fn it_is_timed_and_its_times_are_not_published_as_the_programs_own() {
    let (project, library) = project_with_example();
    let ended = project.bench(&["--subject", &library]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    assert!(ended.stdout.contains("resample") && ended.stdout.contains("cold"), "{}", ended.printed());
    assert_eq!(project.records().len(), 2);
    let run = project.only_run().display().to_string();
    let rendered = project.bench(&["--render", &run]);
    assert_eq!(rendered.code, Some(2), "{}", rendered.printed());
    let compared = project.bench(&["--subject", &library, "--against", "HEAD"]);
    assert_eq!(compared.code, Some(2), "{}", compared.printed());
    assert!(compared.stderr.contains("cannot be used with"), "{}", compared.printed());
}

#[test]
fn a_failure_prints_the_command_that_repeats_it_with_the_subject() {
    let project = Project::with_matrix(MATRIX);
    let library = compile::fixture("mutates_input", &project.path("")).display().to_string();
    let ended = project.run(&["--profile", "quick", "--subject", &library, "accuracy::fuse"]);
    assert_eq!(ended.code, Some(1), "{}", ended.printed());
    assert!(ended.stdout.contains(&format!("--subject {library} --exact accuracy::fuse")), "{}", ended.printed());
}
