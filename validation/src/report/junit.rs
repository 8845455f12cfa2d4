//! JUnit XML, for continuous integration to show. It is rendered from the records and the environment of a run alone.
//!
//! A wrong implementation is a `failure`; a timeout, a crash and a harness or data fault are `error`s, with the kind in
//! `type`; a cell that did not run is `skipped` with its reason. Damage to the evidence itself is an `error` too: a
//! report must not look green because records are missing from it.

use std::{collections::HashMap, time::Duration};

use quick_junit::{NonSuccessKind, Property, Report, SerializeError, TestCase, TestCaseStatus, TestRerun, TestSuite};

use super::repeat_command;
use crate::{
    evidence::{Environment, Fact, LogContents, Record},
    verdict::Verdict,
};

/// Renders a run.
pub fn render(environment: &Environment, contents: &LogContents) -> Result<String, SerializeError> {
    let mut report = Report::new("validation");
    report.timestamp = environment.started.to_string().parse().ok();
    let cells = by_cell(&contents.records);
    let mut suites: Vec<TestSuite> = Vec::new();
    for attempts in &cells {
        let name = attempts[0].cell.suite.name();
        let position = suites.iter().position(|suite| suite.name.as_str() == name).unwrap_or_else(|| {
            suites.push(suite(name, environment));
            suites.len() - 1
        });
        suites[position].add_test_case(case(environment, attempts));
    }
    suites.extend(evidence_suite(environment, contents));
    for suite in &mut suites {
        suite.time = Some(suite.test_cases.iter().filter_map(|case| case.time).sum());
    }
    report.time = Some(suites.iter().filter_map(|suite| suite.time).sum());
    report.add_test_suites(suites);
    report.to_string()
}

/// The attempts at each cell, cells in the order in which they first ended.
fn by_cell(records: &[Record]) -> Vec<Vec<&Record>> {
    let mut places = HashMap::new();
    let mut cells: Vec<Vec<&Record>> = Vec::new();
    for record in records {
        let place = *places.entry(record.cell.name.as_str()).or_insert(cells.len());
        if place == cells.len() {
            cells.push(Vec::new());
        }
        cells[place].push(record);
    }
    cells
}

fn suite(name: &str, environment: &Environment) -> TestSuite {
    let mut suite = TestSuite::new(name);
    suite.add_properties([
        Property::new("run", environment.run.as_str()),
        Property::new("commit", environment.program.source_folder()),
        Property::new("program_hash", environment.program.hash.as_str()),
        Property::new("profile", environment.selection.profile.as_str()),
        Property::new("matrix_hash", environment.selection.matrix_hash.as_str()),
    ]);
    if let Some(subject) = &environment.subject {
        suite.add_property(Property::new("subject", format!("{} {}", subject.name, subject.version)));
        suite.add_property(Property::new("subject_hash", subject.hash.as_str()));
    }
    suite
}

/// A cell: its last attempt decides, the others are shown as reruns.
fn case(environment: &Environment, attempts: &[&Record]) -> TestCase {
    let (last, earlier) = (attempts[attempts.len() - 1], &attempts[..attempts.len() - 1]);
    let mut status = status(&last.verdict);
    status.add_reruns(earlier.iter().filter_map(|record| rerun(record)));
    let cell = &last.cell;
    let mut case = TestCase::new(cell.name.as_str(), status);
    case.set_classname(format!("{}.{}.{}", cell.suite.name(), cell.operator, cell.device));
    case.timestamp = last.started.to_string().parse().ok();
    case.set_time(elapsed(last));
    case.add_property(Property::new("seed", cell.seed.to_string()));
    let mut commands = format!("Repeat this cell with:\n{}\n", repeat_command(environment, &cell.name));
    if let Some(Fact::Known(bundle)) = &last.bundle {
        commands += &format!("Replay its bundle, in the folder of this file, with:\nvalidation repro {bundle}\n");
    }
    case.set_system_out(commands);
    case
}

/// What a verdict is in JUnit's terms: the element, its `type`, its `message` and its text.
struct Finding<'record> {
    kind: NonSuccessKind,
    word: &'static str,
    message: String,
    text: &'record str,
}

/// Pass and skip are none.
fn finding(verdict: &Verdict) -> Option<Finding<'_>> {
    let found = |kind, word, message, text| Some(Finding { kind, word, message, text });
    match verdict {
        Verdict::Pass | Verdict::Skip { .. } => None,
        Verdict::Fail { reason } => found(NonSuccessKind::Failure, "fail", reason.clone(), ""),
        Verdict::Timeout { deadline_ms } => {
            found(NonSuccessKind::Error, "timeout", format!("it did not end within {deadline_ms} ms"), "")
        }
        Verdict::Crash { cause, detail } => found(NonSuccessKind::Error, "crash", cause.clone(), detail),
        Verdict::Error { message } => found(NonSuccessKind::Error, "error", message.clone(), ""),
    }
}

fn status(verdict: &Verdict) -> TestCaseStatus {
    match (verdict, finding(verdict)) {
        (Verdict::Skip { reason }, _) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason.to_string());
            status
        }
        (_, None) => TestCaseStatus::success(),
        (_, Some(finding)) => {
            let mut status = TestCaseStatus::non_success(finding.kind);
            status.set_type(finding.word).set_message(finding.message);
            if !finding.text.is_empty() {
                status.set_description(finding.text);
            }
            status
        }
    }
}

/// An attempt that was not the last. One that passed or was skipped would not have been repeated, and has no form here.
fn rerun(record: &Record) -> Option<TestRerun> {
    let finding = finding(&record.verdict)?;
    let mut rerun = TestRerun::new(finding.kind);
    rerun.timestamp = record.started.to_string().parse().ok();
    rerun.set_type(finding.word).set_message(finding.message).set_time(elapsed(record));
    if !finding.text.is_empty() {
        rerun.set_description(finding.text);
    }
    Some(rerun)
}

fn elapsed(record: &Record) -> Duration {
    // A damaged or future record could hold any number; a report of it must not panic.
    Duration::try_from_secs_f64(record.elapsed_ms / 1e3).unwrap_or_default()
}

/// A suite that exists only if the record log is not whole.
fn evidence_suite(environment: &Environment, contents: &LogContents) -> Option<TestSuite> {
    let findings = contents.findings();
    if findings.is_empty() {
        return None;
    }
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status
        .set_type("error")
        .set_message("the record log is damaged: cells may be missing from this report")
        .set_description(findings.join("\n"));
    let mut suite = suite("evidence", environment);
    suite.add_test_case(TestCase::new("records.jsonl", status));
    Some(suite)
}
