//! JUnit reports.

use validation::{
    evidence::{Damage, LogContents, TornTail, read::DamageKind},
    report::junit::render,
    verdict::Verdict,
};
use validation_testing::fixture::{every_verdict, fixed_environment, passed, record};

fn report(contents: &LogContents) -> String {
    render(&fixed_environment(), contents).expect("no control characters")
}

#[test]
fn every_verdict_has_its_element() {
    insta::assert_snapshot!(report(&LogContents { records: every_verdict(), ..LogContents::default() }));
}

#[test]
fn the_last_attempt_decides_and_the_others_are_shown() {
    let timeout = || record("n1", Verdict::Timeout { deadline_ms: 5 });
    let flaky = [timeout(), passed("n1")];
    let hopeless =
        ["n2", "n2"].map(|problem| record(problem, Verdict::Crash { cause: "SIGSEGV".into(), detail: String::new() }));
    let records = [flaky, hopeless].concat();
    insta::assert_snapshot!(report(&LogContents { records, ..LogContents::default() }));
}

#[test]
fn damaged_evidence_does_not_look_green() {
    let contents = LogContents {
        records: vec![passed("n1")],
        damage: vec![Damage { line: 2, offset: 700, kind: DamageKind::Corrupt("its checksum does not match".into()) }],
        torn_tail: Some(TornTail { offset: 2100, bytes: 712, complete_lines: 1 }),
        next_sequence: 3,
    };
    insta::assert_snapshot!(report(&contents));
}

#[test]
fn an_unfinished_record_is_no_damage() {
    let whole = LogContents { records: vec![passed("n1")], ..LogContents::default() };
    let torn_tail = Some(TornTail { offset: 700, bytes: 12, complete_lines: 0 });
    assert_eq!(report(&LogContents { torn_tail, ..whole.clone() }), report(&whole));
}

#[test]
fn a_time_that_is_no_time_is_no_panic() {
    for elapsed_ms in [f64::INFINITY, -1.0, 1e300] {
        let mut record = passed("n1");
        record.elapsed_ms = elapsed_ms;
        assert!(report(&LogContents { records: vec![record], ..LogContents::default() }).contains("time=\"0.000\""));
    }
}
