//! What makes two failures the same.

use validation::{
    bundle::{Likeness, Manifest, Role, compare},
    observation::{Death, Outcome},
    verdict::Verdict,
};

use crate::sample::manifest;

fn crash(signal: i32, cause: &str) -> (Outcome, Verdict) {
    let death = Death { signal: Some(signal), exit_code: None, output_tail: String::new() };
    (Outcome::Died(death), Verdict::Crash { cause: cause.to_owned(), detail: String::new() })
}

#[test]
fn outputs_decide_where_there_are_any() {
    let then = manifest();
    let likeness = |verdict: &Verdict, entries| compare(&then, &then.outcome, verdict, entries);
    assert_eq!(likeness(&then.verdict, &then.tensors), Likeness::SameBits);
    assert_eq!(likeness(&Verdict::Pass, &then.tensors), Likeness::PassesNow);
    // The number of a run, or of threads, may differ: the bits are what was asked for.
    let reworded = Verdict::Fail { reason: "broken at rung threads_9".to_owned() };
    assert_eq!(likeness(&reworded, &then.tensors), Likeness::SameBits);
    let mut other = then.tensors.clone();
    let actual = other.iter_mut().find(|entry| entry.role == Role::Actual).unwrap();
    actual.blake3 = "0".repeat(64);
    assert_eq!(likeness(&then.verdict, &other), Likeness::OtherBits);
    assert_eq!(likeness(&then.verdict, &[]), Likeness::OtherBits);
    // Of two runs that differ, either may be the wrong one.
    let mut other = then.tensors.clone();
    other.iter_mut().find(|entry| entry.role == Role::Expected).unwrap().blake3 = "0".repeat(64);
    assert_eq!(likeness(&then.verdict, &other), Likeness::OtherBits);
    let (outcome, verdict) = crash(11, "SIGSEGV");
    assert_eq!(compare(&then, &outcome, &verdict, &then.tensors), Likeness::OtherBits);
}

#[test]
fn the_way_decides_where_there_are_none() {
    let (outcome, verdict) = crash(6, "SIGABRT");
    let inputs = manifest().tensors.into_iter().filter(|entry| entry.role == Role::Input).collect();
    let then = Manifest { outcome, verdict, tensors: inputs, ..manifest() };
    let likeness = |(outcome, verdict): (Outcome, Verdict)| compare(&then, &outcome, &verdict, &then.tensors);
    assert_eq!(likeness(crash(6, "SIGABRT")), Likeness::SameBits);
    assert_eq!(likeness(crash(11, "SIGSEGV")), Likeness::OtherBits);
    let late = Outcome::DeadlineExceeded { deadline_ms: 5, output_tail: String::new() };
    assert_eq!(likeness((late, Verdict::Timeout { deadline_ms: 5 })), Likeness::OtherBits);
}
