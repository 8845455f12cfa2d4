//! In which way a cell failed: coarser than its bits, finer than its verdict.

use crate::{
    observation::{AccuracyFacts, DeterminismFacts, GoldenFacts, Observation, Outcome},
    verdict::Verdict,
};

/// The way of a failure, in words. Two failures of one way have one cause as far as anybody can tell from outside: the
/// same rung of the ladder, the same kind of wrong output, the same signal, or the same message but for its numbers.
pub fn way(outcome: &Outcome, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Pass => "passes".to_owned(),
        Verdict::Skip { .. } => "is skipped".to_owned(),
        Verdict::Timeout { .. } => "does not end".to_owned(),
        Verdict::Crash { cause, detail } if cause == "panic" => format!("panic: {}", without_numbers(detail)),
        Verdict::Crash { cause, .. } => cause.clone(),
        Verdict::Error { message } => format!("error of the harness: {}", without_numbers(message)),
        Verdict::Fail { reason } => match outcome {
            Outcome::Observed(observation) => observed(observation, reason),
            Outcome::Died(_) | Outcome::DeadlineExceeded { .. } | Outcome::HarnessFailed { .. } => reason.clone(),
        },
    }
}

fn observed(observation: &Observation, reason: &str) -> String {
    match observation {
        Observation::Determinism(facts) => determinism(facts),
        Observation::Accuracy(facts) => accuracy(facts).to_owned(),
        Observation::LaunchCount(_) => format!("launches: {}", without_numbers(reason)),
        Observation::BackwardCompat(facts) => golden(facts).to_owned(),
        Observation::MultiGpu(_) => format!("ranks: {}", without_numbers(reason)),
        Observation::Performance(facts) if facts.wrong_output.is_some() => "wrong after timed calls".to_owned(),
        Observation::Performance(_) => "too slow".to_owned(),
        Observation::OperatorFailed(failure) => format!("returns an error: {}", without_numbers(&failure.message)),
        Observation::Panicked { message } => format!("panic: {}", without_numbers(message)),
        Observation::InputRejected { kind, message: _ } => format!("input rejected: {kind}"),
    }
}

fn determinism(facts: &DeterminismFacts) -> String {
    match facts.rungs.iter().find(|rung| !rung.holds()) {
        Some(rung) if rung.mutated_input.is_some() => "changes an input".to_owned(),
        Some(rung) if rung.guard_violation.is_some() => "writes beside a tensor".to_owned(),
        Some(rung) => format!("broken at rung {}", rung.rung),
        None => "accepts what must be rejected".to_owned(),
    }
}

fn accuracy(facts: &AccuracyFacts) -> &'static str {
    if facts.mutated_input.is_some() {
        "changes an input"
    } else if facts.guard_violation.is_some() {
        "writes beside a tensor"
    } else if !facts.unwritten.is_empty() {
        "leaves elements unwritten"
    } else if facts.outputs.iter().any(|comparison| comparison.differing > 0) {
        "wrong values"
    } else if facts.counterexample.is_some() {
        "wrong values for another problem"
    } else {
        "accepts what must be rejected"
    }
}

fn golden(facts: &GoldenFacts) -> &'static str {
    if facts.incompatible.is_some() {
        "no longer takes the inputs of a release"
    } else if facts.mutated_input.is_some() {
        "changes an input"
    } else if facts.guard_violation.is_some() {
        "writes beside a tensor"
    } else if !facts.differences.is_empty() {
        "other results than a release's"
    } else if !facts.regenerated_otherwise.is_empty() {
        "other generated inputs than a release's"
    } else {
        "an approved change is not there"
    }
}

/// The first line of a message. Numbers in it, such as extents and addresses, differ from problem to problem.
fn without_numbers(message: &str) -> String {
    message.lines().next().unwrap_or_default().chars().filter(|character| !character.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_one_way_but_for_their_numbers() {
        let lost = Outcome::HarnessFailed { message: String::new() };
        let panic = |detail: &str| way(&lost, &Verdict::Crash { cause: "panic".into(), detail: detail.into() });
        assert_eq!(panic("index 7 of 5\nbacktrace"), panic("index 12 of 9"));
        assert_ne!(panic("index 7 of 5"), panic("row 7 of 5"));
        let signal =
            |cause: &str, detail: &str| way(&lost, &Verdict::Crash { cause: cause.into(), detail: detail.into() });
        assert_eq!(signal("SIGABRT", "free(): invalid pointer"), signal("SIGABRT", ""));
        assert_ne!(signal("SIGABRT", ""), signal("SIGSEGV", ""));
    }
}
