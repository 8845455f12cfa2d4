//! The detection matrix for people: what is wrong first.

use std::{collections::BTreeSet, fmt::Write as _};

use anstyle::{AnsiColor, Style};

use super::{DetectionRecord, Fate, Role, Row, Specimen, Tally};
use crate::{exit::Exit, report::grid::Grid};

/// The table for a terminal, and below it what is wrong in full.
pub(super) fn terminal(record: &DetectionRecord) -> String {
    let heads = ["", "name", "kind", "must be found by"].map(str::to_owned).into_iter();
    let mut table = Grid::new(heads.chain(record.suites.clone()).chain(["found after".to_owned()]), 4..);
    for row in &record.rows {
        table.add(columns(row));
    }
    let mut text = table.framed();
    for row in &record.rows {
        text += &details(row);
    }
    text
}

fn columns(row: &Row) -> Vec<String> {
    let Row { specimen: Specimen { name, role, .. }, fate, suites } = row;
    let (kind, killed_by) = match role {
        Role::Mutant { kind, killed_by } => (kind.to_string(), killed_by.to_string()),
        Role::Control => ("control".to_owned(), "nobody".to_owned()),
    };
    let found = suites.iter().map(found);
    [fate.word().to_owned(), name.clone(), kind, killed_by].into_iter().chain(found).chain([time(row)]).collect()
}

/// Such as `3/3`.
fn found(tally: &Tally) -> String {
    let Tally { trials, alarms, .. } = tally;
    if *alarms == 0 { format!("-/{trials}") } else { format!("{alarms}/{trials}") }
}

/// The median time to detect: that of the suite that must find it.
fn time(row: &Row) -> String {
    let Role::Mutant { kind: _, killed_by } = row.specimen.role else { return String::new() };
    let tally = row.suites.iter().find(|tally| tally.suite == killed_by.name());
    tally.and_then(|tally| tally.median_detected_ms).map_or_else(String::new, |ms| format!("{ms:.0} ms"))
}

/// What one has to know to act; nothing where all is well.
fn details(row: &Row) -> String {
    let Row { specimen, fate, suites } = row;
    match fate {
        Fate::Killed | Fate::Clean => return String::new(),
        Fate::Survived { .. } | Fate::FoundElsewhere | Fate::FalseAlarm { .. } | Fate::Unknown => {}
    }
    let mut text = format!("\n{} {}: {}", fate.word(), specimen.name, specimen.what);
    for Tally { suite, first, error, .. } in suites {
        if let Some((cell, reason)) = first {
            let _ = write!(text, "\n    {suite} found in {cell}: {reason}");
        }
        if let Some(error) = error {
            let _ = write!(text, "\n    {suite} could not tell: {error}");
        }
    }
    let _ = write!(text, "\n    repeat: validation mutants {}", specimen.name);
    text
}

/// The last line.
pub(super) fn conclusion(record: &DetectionRecord) -> String {
    let (word, color) = match record.exit() {
        Exit::Passed => ("PASSED", AnsiColor::Green),
        Exit::Failed
        | Exit::BadInput
        | Exit::Incomplete
        | Exit::HarnessFailed
        | Exit::Ambiguous
        | Exit::OtherBits
        | Exit::Interrupted => ("FAILED", AnsiColor::Red),
    };
    let style = Style::new().bold().fg_color(Some(color.into()));
    format!("{style}{word}{style:#}: {}", sentence(record))
}

/// The whole in numbers.
fn sentence(record: &DetectionRecord) -> String {
    let count = |is_meant: fn(&Fate) -> bool| record.rows.iter().filter(|row| is_meant(&row.fate)).count();
    let roles = record.rows.iter().map(|row| row.specimen.role);
    let kinds: BTreeSet<_> = roles
        .clone()
        .filter_map(|role| match role {
            Role::Mutant { kind, killed_by: _ } => Some(kind),
            Role::Control => None,
        })
        .collect();
    let mutants = roles.clone().filter(|role| *role != Role::Control).count();
    format!(
        "{} of {mutants} mutants of {} kinds killed {} of {} times by the suite that must find them; {} survived; \
         {} false alarms on {} controls in {} repeats; {:.1} s",
        count(|fate| *fate == Fate::Killed),
        kinds.len(),
        record.repeats,
        record.repeats,
        count(|fate| matches!(fate, Fate::Survived { .. })),
        count(|fate| matches!(fate, Fate::FalseAlarm { .. })),
        roles.filter(|role| *role == Role::Control).count(),
        record.control_repeats,
        record.elapsed_ms / 1e3,
    )
}

/// The detection matrix as a document.
pub(super) fn markdown(record: &DetectionRecord) -> String {
    let mut text =
        format!("# Mutants on {}\n\n{}.\n\nCompiled by {}.\n\n", record.device, sentence(record), record.compiler);
    let heads = ["", "name", "kind", "must be found by"].map(str::to_owned).into_iter();
    let last = ["found after", "what is different", "found as"].map(str::to_owned);
    let mut table = Grid::new(heads.chain(record.suites.clone()).chain(last), 4..4 + record.suites.len());
    for row in &record.rows {
        table.add(columns(row).into_iter().chain([row.specimen.what.clone(), found_as(row)]));
    }
    text += &table.markdown();
    text
}

/// Where and as what it was found by the suite that must find it, or else by any.
fn found_as(row: &Row) -> String {
    let expected = |tally: &&Tally| match row.specimen.role {
        Role::Mutant { kind: _, killed_by } => tally.suite == killed_by.name(),
        Role::Control => false,
    };
    let first = |tally: &Tally| tally.first.as_ref().map(|(cell, reason)| format!("{cell}: {reason}"));
    let by_expected = row.suites.iter().find(expected).and_then(first);
    by_expected.or_else(|| row.suites.iter().find_map(first)).unwrap_or_default()
}
