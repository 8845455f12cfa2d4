//! What follows from times that are known, and that it follows again from the record.

use validation::gate::{Conclusion, Decision, GateRecord, GateRecordError};

use crate::fake::{ROUNDS, Script, Scripts};

fn compared(candidate_seconds: f64) -> GateRecord {
    Scripts::new().compare(&Script::taking(1e-3), &Script::taking(candidate_seconds)).unwrap()
}

#[test]
fn times_that_never_vary_leave_no_doubt() {
    for (seconds, conclusion, decision) in [
        (1.00e-3, Conclusion::NoRegression, Decision::NoRegression),
        (1.02e-3, Conclusion::Regression, Decision::Regression),
        (1.005e-3, Conclusion::NoRegression, Decision::NoRegression),
        (0.90e-3, Conclusion::NoRegression, Decision::Improvement),
    ] {
        let record = compared(seconds);
        assert_eq!((record.conclusion, record.units[0].decision()), (conclusion, Some(decision)), "{seconds}");
        assert_eq!(record.units[0].rounds.len(), ROUNDS);
    }
}

#[test]
fn the_record_is_judged_again_from_its_file() {
    let record = compared(1.05e-3);
    let text = record.to_json();
    let read = GateRecord::from_json(text.as_bytes()).unwrap();
    assert_eq!(read, record);
    assert_eq!(read.judged_again(&record.design), record);
    let tolerant = record.design.clone().with_margin(0.10);
    assert_eq!(read.judged_again(&tolerant).conclusion, Conclusion::NoRegression);
}

#[test]
fn a_record_of_a_newer_format_is_refused_and_a_damaged_one_too() {
    let error = GateRecord::from_json(br#"{"format":2,"units":7}"#).unwrap_err();
    assert!(matches!(error, GateRecordError::Newer(2)), "{error}");
    let error = GateRecord::from_json(b"{\"format\":1}").unwrap_err();
    assert!(matches!(error, GateRecordError::Malformed(_)), "{error}");
}
