//! Markdown of a run: what a pull request, a page of a CI service or a published run shows.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use anstream::adapter::strip_str;

use super::{approvals::approvals, findings::findings, grid::Grid, summary::Summary, terminal};
use crate::evidence::{Environment, Fact, Filters, Record};

/// How many failures are shown. Services show a MiB; `junit.xml` has all.
const SHOWN_FAILURES: usize = 50;

/// One run, or several that are the shards of one, each with its folder and the last attempts at its cells.
/// `shortfalls` keep it from being complete, one sentence each.
pub fn render(runs: &[(&Environment, &Path, &[Record])], shortfalls: &[String]) -> String {
    let records: Vec<Record> = runs.iter().flat_map(|(_, _, records)| records.iter().cloned()).collect();
    let summary = Summary::of(&records);
    let conclusion = strip_str(&terminal::conclusion(&summary, shortfalls)).to_string();
    let (verdict, sentences) = conclusion.split_once('\n').unwrap_or((&conclusion, ""));
    let profile = runs.first().map_or("", |(environment, ..)| environment.selection.profile.as_str());
    let mut text = format!("# `{profile}`: {verdict}\n");
    for sentence in sentences.lines() {
        let _ = write!(text, "\n- {}", sentence.trim());
    }
    text += if sentences.is_empty() { "" } else { "\n" };
    for (environment, ..) in runs {
        let _ = write!(text, "\n{}", facts(environment).markdown());
    }
    failures(&mut text, runs);
    for (heading, table) in findings(&records) {
        let _ = write!(text, "\n## {heading}\n\n{}", table.markdown());
    }
    let _ = write!(text, "\n## Cells\n\n{}", terminal::table(&summary).markdown());
    if !summary.skips.is_empty() {
        let mut table = Grid::new(["cells", "skipped because"], ..1);
        for (reason, count) in &summary.skips {
            table.add([count.to_string(), reason.to_string()]);
        }
        let _ = write!(text, "\n{}", table.markdown());
    }
    for approval in approvals(&records).lines() {
        let _ = write!(text, "\n- {}", approval.trim());
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// What ran, and on what.
fn facts(environment: &Environment) -> Grid {
    let Environment { run, started, selection, program, subject, host, driver, nccl, gpus, kernel_image, .. } =
        environment;
    let known = |fact: &Fact<String>| match fact {
        Fact::Known(text) => text.clone(),
        Fact::Missing { missing } => format!("({missing})"),
    };
    let mut facts = Grid::new(["run", run], ..0);
    facts.add(["started", &started.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()]);
    if selection.filters != Filters::default() {
        facts.add(["filters", &selection.filters.to_string()]);
    }
    facts.add(["program", &format!("{} `{}`, {} build", program.version, program.source_folder(), program.build)]);
    if let Some(subject) = subject {
        facts.add(["subject", &subject.to_string()]);
    }
    facts.add(["CPU", &known(&host.cpu)]);
    let gpus: &[_] = match gpus {
        Fact::Known(gpus) => gpus,
        Fact::Missing { .. } => &[],
    };
    if gpus.is_empty() {
        return facts;
    }
    let mut models: BTreeMap<&str, usize> = BTreeMap::new();
    for gpu in gpus {
        *models.entry(&gpu.gpu.name).or_default() += 1;
    }
    let models: Vec<_> = models.iter().map(|(name, count)| format!("{count} x {name}")).collect();
    facts.add(["GPUs", &models.join(", ")]);
    if let Fact::Known(driver) = driver {
        facts.add(["driver", &driver.version]);
    }
    facts.add(["NCCL", &known(nccl)]);
    facts.add(["kernel image (BLAKE3)", &known(kernel_image)]);
    let variables: Vec<_> = environment.variables.iter().map(|(name, value)| format!("`{name}={value}`")).collect();
    if !variables.is_empty() {
        facts.add(["variables", &variables.join(" ")]);
    }
    facts
}

/// Indented, so that nothing that a worker printed can end it.
fn failures(text: &mut String, runs: &[(&Environment, &Path, &[Record])]) {
    let all = runs.iter().flat_map(|&(environment, folder, records)| {
        records.iter().filter_map(move |record| terminal::failure(environment, folder, record))
    });
    let all: Vec<String> = all.collect();
    if all.is_empty() {
        return;
    }
    text.push_str("\n## Failures\n");
    for failure in all.iter().take(SHOWN_FAILURES) {
        text.push('\n');
        for line in strip_str(failure).to_string().lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
    if let Some(more @ 1..) = all.len().checked_sub(SHOWN_FAILURES) {
        let _ = writeln!(text, "\n{more} more are in `junit.xml`.");
    }
}
