//! A process that fails in the middle makes its unit ambiguous, with the reason, and never hangs the comparison.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use serde_json::json;
use validation::gate::{Conclusion, Decision, Doubt};

use crate::fake::{Script, Scripts, say};

/// What is said of the unit when the candidate does this instead of measuring.
fn failure(measure: &str) -> String {
    let scripts = Scripts::new();
    let begin = Instant::now();
    let candidate = Script { measure: measure.to_owned(), ..Script::taking(1e-3) };
    let record = scripts.compare(&Script::taking(1e-3), &candidate).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(20), "{measure}");
    assert_eq!(record.conclusion, Conclusion::Ambiguous, "{measure}");
    assert_eq!(record.units[0].decision(), Some(Decision::Ambiguous(Doubt::NotMeasured)));
    record.units[0].failure.clone().unwrap()
}

#[test]
fn death_is_reported_with_the_last_words() {
    let found = failure("echo 'out of luck' >&2; kill -SEGV $$");
    assert_eq!(found, "this program ended without an answer (SIGSEGV); it printed: out of luck");
    assert_eq!(failure("exit 7"), "this program ended without an answer (exit code 7)");
}

#[test]
fn a_process_that_hangs_is_killed() {
    assert_eq!(failure("sleep 100"), "this program gave no answer within 0.5 s and was killed");
}

#[test]
fn what_is_no_answer_is_not_taken_for_one() {
    for (measure, expected) in [
        ("echo garbage >&0", "broke the protocol: expected value"),
        ("head -c 3000000 /dev/zero >&0", "broke the protocol: a line longer than"),
        (&say(&json!("verified")), "broke the protocol: it answered another question: Verified"),
        (&say(&json!({"measured": {"seconds": []}})), "broke the protocol: [] are no times"),
        (&say(&json!({"measured": {"seconds": [-1.0]}})), "broke the protocol: [-1.0] are no times"),
        (&say(&json!({"refused": {"reason": "no more memory"}})), "refused: no more memory"),
    ] {
        let found = failure(measure);
        assert!(found.starts_with(&format!("this program {expected}")), "{measure}: {found}");
    }
}

#[test]
fn what_it_prints_is_no_answer() {
    let scripts = Scripts::new();
    let honest = Script::taking(1e-3);
    // The same words on standard output, before those on the connection.
    let noisy =
        Script { measure: format!("echo '{{\"measured\":{{\"seconds\":[9.0]}}}}'; {}", honest.measure), ..honest };
    let record = scripts.compare(&Script::taking(1e-3), &noisy).unwrap();
    assert_eq!(record.conclusion, Conclusion::NoRegression);
}

#[test]
fn wrong_results_are_not_compared() {
    let scripts = Scripts::new();
    let wrong = say(&json!({"refused": {"reason": "`y` has other bits"}}));
    let candidate = Script { verify: wrong, ..Script::taking(1e-3) };
    let record = scripts.compare(&Script::taking(1e-3), &candidate).unwrap();
    assert_eq!(record.conclusion, Conclusion::Ambiguous);
    assert_eq!(record.units[0].failure.as_deref(), Some("this program refused: `y` has other bits"));
}

#[test]
fn what_a_dead_process_started_dies_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let found = failure(&format!("sleep 100 & echo $! > {}; exit 3", pid.display()));
    assert_eq!(found, "this program ended without an answer (exit code 3)");
    let grandchild = fs::read_to_string(pid).unwrap();
    let begin = Instant::now();
    loop {
        let state = fs::read_to_string(format!("/proc/{}/stat", grandchild.trim())).unwrap_or_default();
        if state.is_empty() || state.contains(") Z ") {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(5), "{state}");
        thread::sleep(Duration::from_millis(5));
    }
}
