//! What people read while a run goes on and when it ends.

use std::{fmt::Write as _, path::Path};

use anstream::adapter::strip_str;
use anstyle::{AnsiColor, Style};

use super::{
    grid::Grid,
    repeat_command, replay_command,
    summary::{Counts, Summary},
};
use crate::{
    evidence::{Environment, Fact, Record},
    plan::SkipReason,
    verdict::Verdict,
};

/// One line for one cell, as it ends.
pub fn cell_line(record: &Record) -> String {
    let style = style(&record.verdict);
    let word = record.verdict.word();
    let seconds = record.elapsed_ms / 1e3;
    format!("{style}{word:>8}{style:#} [{seconds:>8.3} s] {}", record.cell.name)
}

/// What is wrong with one cell of the run in `folder`, and the commands that repeat it and replay its bundle; nothing if it
/// did not fail.
pub fn failure(environment: &Environment, folder: &Path, record: &Record) -> Option<String> {
    let detail = detail(&record.verdict)?;
    let style = style(&record.verdict);
    let mut text = format!("{style}{:>8}{style:#} {}\n", record.verdict.word(), record.cell.name);
    for line in detail.lines() {
        let _ = writeln!(text, "         {}", harmless(line));
    }
    let _ = writeln!(text, "         repeat: {}", repeat_command(environment, &record.cell.name));
    match &record.bundle {
        Some(Fact::Known(bundle)) => {
            let _ =
                writeln!(text, "         replay: {}", replay_command(environment, &record.cell, &folder.join(bundle)));
        }
        Some(Fact::Missing { missing }) => {
            let _ = writeln!(text, "         no bundle: {}", harmless(missing));
        }
        None => {}
    }
    Some(text)
}

/// What is wrong, if anything is.
fn detail(verdict: &Verdict) -> Option<String> {
    match verdict {
        Verdict::Pass | Verdict::Skip { .. } => None,
        Verdict::Fail { reason } => Some(reason.clone()),
        Verdict::Timeout { deadline_ms } => Some(format!("did not end within {:.1} s", *deadline_ms as f64 / 1e3)),
        Verdict::Crash { cause, detail } if detail.is_empty() => Some(format!("{cause}, and nothing was printed")),
        Verdict::Crash { cause, detail } => Some(format!("{cause}\n{detail}")),
        Verdict::Error { message } => Some(message.clone()),
    }
}

/// A verdict in one line.
pub(crate) fn judgement(verdict: &Verdict) -> String {
    let (style, word) = (style(verdict), verdict.word());
    let detail = detail(verdict).unwrap_or_default();
    format!("{style}{word}{style:#} {}", harmless(detail.lines().next().unwrap_or_default()))
}

/// What a worker printed, say, without anything that a terminal would obey.
fn harmless(line: &str) -> String {
    strip_str(line).to_string().replace(|character: char| character.is_control() && character != '\t', "\u{fffd}")
}

/// The table of suites, operators and devices, with their sum.
pub fn table(summary: &Summary) -> Grid {
    let heads = [
        "suite", "operator", "device", "pass", "fail", "timeout", "crash", "error", "skip", "elements", "of bound",
        "time",
    ];
    let mut table = Grid::new(heads, 3..);
    for (key, counts) in &summary.rows {
        table.add(row([&key.suite, &key.operator, &key.device], counts));
    }
    table.add(row(["all", "", ""], &summary.total));
    table
}

fn row(names: [&str; 3], counts: &Counts) -> Vec<String> {
    let count = |count: u64| if count == 0 { "-".to_owned() } else { count.to_string() };
    let fraction = match counts.fraction_of_bound {
        Some(fraction) if fraction > 1.0 => "> 1".to_owned(),
        Some(fraction) => format!("{fraction:.2}"),
        None => "-".to_owned(),
    };
    let numbers = [counts.passed, counts.failed, counts.timed_out, counts.crashed, counts.errors, counts.skipped];
    names
        .map(str::to_owned)
        .into_iter()
        .chain(numbers.map(count))
        .chain([magnitude(counts.elements), fraction, format!("{:.1} s", counts.elapsed_ms / 1e3)])
        .collect()
}

/// A large count with three significant digits, such as `1.23 G`.
pub(super) fn magnitude(count: u64) -> String {
    let value = count as f64;
    match count {
        0 => "-".to_owned(),
        1..1_000 => count.to_string(),
        1_000..1_000_000 => format!("{:.1} k", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} M", value / 1e6),
        1_000_000_000.. => format!("{:.2} G", value / 1e9),
    }
}

/// Why cells were skipped, most frequent first; empty if none was.
pub fn skips(summary: &Summary) -> String {
    let mut reasons: Vec<(&SkipReason, u64)> = summary.skips.iter().map(|(reason, &count)| (reason, count)).collect();
    reasons.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    let mut text = String::new();
    for (reason, count) in reasons {
        let _ = writeln!(text, "{count:>8} skipped: {reason}");
    }
    text
}

/// The last line, and below it the sentences on what keeps the run from being complete.
pub fn conclusion(summary: &Summary, shortfalls: &[String]) -> String {
    let total = &summary.total;
    let (word, color) = if total.failures() > 0 {
        ("FAILED", AnsiColor::Red)
    } else if !shortfalls.is_empty() {
        ("INCOMPLETE", AnsiColor::Yellow)
    } else {
        ("PASSED", AnsiColor::Green)
    };
    let style = Style::new().bold().fg_color(Some(color.into()));
    let mut text = format!(
        "{style}{word}{style:#}: {} passed, {} failed, {} skipped",
        total.passed,
        total.failures(),
        total.skipped
    );
    for shortfall in shortfalls {
        let _ = write!(text, "\n  {shortfall}");
    }
    text
}

fn style(verdict: &Verdict) -> Style {
    let color = match verdict {
        Verdict::Pass => AnsiColor::Green,
        Verdict::Skip { .. } => AnsiColor::Yellow,
        Verdict::Fail { .. } | Verdict::Timeout { .. } | Verdict::Crash { .. } | Verdict::Error { .. } => {
            AnsiColor::Red
        }
    };
    Style::new().bold().fg_color(Some(color.into()))
}
