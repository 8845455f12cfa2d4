//! The judgement of goldens: the bits of the release, or a change that was approved and is there.

use super::Verdict;
use crate::{
    cell::{Cell, Input},
    observation::GoldenFacts,
    suites::{Approval, BackwardCompatSettings, SuiteSettings},
};

/// Judges what became of a golden.
pub(super) fn judge_golden(cell: &Cell, facts: &GoldenFacts) -> Verdict {
    let error = |message: &str| Verdict::Error { message: message.to_owned() };
    let settings = match &cell.suite {
        SuiteSettings::BackwardCompat(settings) => settings,
        SuiteSettings::Determinism(_)
        | SuiteSettings::Accuracy(_)
        | SuiteSettings::LaunchCount(_)
        | SuiteSettings::MultiGpu(_)
        | SuiteSettings::Performance(_) => return error("goldens were reproduced for a cell of another suite"),
    };
    let release = match &cell.input {
        Input::Golden(golden) => &golden.release,
        Input::Generated(_) | Input::Recorded(_) | Input::Pattern => {
            return error("goldens were reproduced for a cell without one");
        }
    };
    let BackwardCompatSettings { changed_results, changed_inputs } = settings;
    let mut defects = facts.defects();
    if facts.incompatible.is_none() {
        defects.extend(judge_change("results", &facts.changed_results(), changed_results.as_ref()));
        defects.extend(judge_change("inputs", &facts.changed_inputs(), changed_inputs.as_ref()));
    }
    match defects.is_empty() {
        true => Verdict::Pass,
        false => Verdict::Fail { reason: format!("not as release {release}: {}", defects.join("; ")) },
    }
}

/// What is wrong with this change of these; nothing if it is none, or approved.
fn judge_change(what: &str, change: &[String], approval: Option<&Approval>) -> Vec<String> {
    match (change, approval) {
        ([_, ..], None) => change.to_vec(),
        ([], Some(approval)) if approval.must_be_used => vec![format!(
            "the approval of changed {what} is stale: they are those of the release; take it off the matrix (its reason \
             was: {})",
            approval.reason
        )],
        ([], Some(_) | None) | ([_, ..], Some(_)) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use robocache_core::{distribution::Distribution, dtype::DType, parameters::Parameters, random::Seed};

    use super::*;
    use crate::{
        cell::{Device, GoldenInput, Limits},
        dataset::Expectation,
        suites::AccuracySettings,
    };

    fn cell(settings: BackwardCompatSettings) -> Cell {
        Cell {
            name: "backward_compat::resample::cpu::f32::b1::uniform::0.1.0".into(),
            suite: SuiteSettings::BackwardCompat(settings),
            operator: "resample".into(),
            device: Device::Cpu,
            dtype: DType::F32,
            parameters: Parameters::default(),
            input: Input::Golden(GoldenInput {
                release: "0.1.0".into(),
                distribution: Distribution::Uniform,
                blake3: String::new(),
            }),
            seed: Seed::root(0),
            expect: Expectation::Accepted,
            limits: Limits { deadline_ms: 1, memory_bytes: None, fresh_process: false },
        }
    }

    fn approval(must_be_used: bool) -> Option<Approval> {
        Some(Approval { reason: "rounding".into(), expires: date(2027, 1, 31), must_be_used })
    }

    fn reason(settings: BackwardCompatSettings, facts: &GoldenFacts) -> Option<String> {
        match judge_golden(&cell(settings), facts) {
            Verdict::Pass => None,
            Verdict::Fail { reason } => Some(reason),
            other
            @ (Verdict::Skip { .. } | Verdict::Timeout { .. } | Verdict::Crash { .. } | Verdict::Error { .. }) => {
                panic!("{other:?}")
            }
        }
    }

    #[test]
    fn a_change_must_be_approved_and_an_approved_change_must_be_there() {
        let none = BackwardCompatSettings::default;
        let inputs = |must| BackwardCompatSettings { changed_inputs: approval(must), ..none() };
        let same = GoldenFacts::default();
        let changed = GoldenFacts { regenerated_otherwise: vec!["x".into()], ..same.clone() };
        assert_eq!(reason(none(), &same), None);
        assert_eq!(reason(inputs(true), &changed), None);
        assert_eq!(
            reason(none(), &changed).unwrap(),
            "not as release 0.1.0: the generator gives another `x` for the same seed"
        );
        assert!(reason(inputs(true), &same).unwrap().contains("is stale"));
        assert_eq!(reason(inputs(false), &same), None);
        // One kind of change does not stand for another.
        let results = BackwardCompatSettings { changed_results: approval(false), ..none() };
        assert!(reason(results, &changed).is_some());
    }

    #[test]
    fn nothing_excuses_a_golden_that_is_refused_or_an_input_that_is_changed() {
        let all = || BackwardCompatSettings { changed_results: approval(true), changed_inputs: approval(true) };
        let refused = GoldenFacts { incompatible: Some("`s` is 9".into()), ..GoldenFacts::default() };
        assert_eq!(reason(all(), &refused).unwrap(), "not as release 0.1.0: no longer accepted: `s` is 9");
        let mutated = GoldenFacts { mutated_input: Some("x".into()), ..GoldenFacts::default() };
        assert!(reason(BackwardCompatSettings::default(), &mutated).unwrap().contains("input `x` was changed"));
    }

    #[test]
    fn facts_of_another_suite_are_the_fault_of_the_harness() {
        let suite = SuiteSettings::Accuracy(AccuracySettings { random_problems: 0 });
        let cell = Cell { suite, ..cell(BackwardCompatSettings::default()) };
        assert!(matches!(judge_golden(&cell, &GoldenFacts::default()), Verdict::Error { .. }));
    }
}
