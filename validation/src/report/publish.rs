//! The end of a run: its records are read back, rendered, and summed up in an exit status.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use super::{
    approvals::approvals, chart, findings::findings, junit, markdown, output::print_line, performance,
    summary::Summary, terminal,
};
use crate::{
    Stop,
    evidence::{Environment, Record, Run},
    exit::Exit,
    supervisor::Execution,
};

/// What a run was asked.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// The names of its cells. The processes of one cargo-nextest run share its records, and each answers for its own.
    pub cells: HashSet<&'a str>,
    /// What the profile requires and this machine lacks.
    pub missing_requirements: &'a [String],
    /// Whether it is well that none of the cells could be executed here.
    pub may_all_be_skipped: bool,
}

impl Asked<'_> {
    /// What keeps a run with this summary from being complete, one sentence each.
    fn shortfalls(&self, summary: &Summary) -> Vec<String> {
        let requirements = self.missing_requirements.iter().map(|missing| format!("the profile requires {missing}"));
        let nothing_ran = summary.total.executed() == 0 && !self.may_all_be_skipped;
        requirements.chain(nothing_ran.then(|| "no cell was executed".to_owned())).collect()
    }
}

/// Writes the reports of a run, prints its summary, and says how the program ends.
pub fn publish(run: Run, asked: &Asked<'_>, execution: Execution) -> Result<Exit, Stop> {
    let contents = run.contents()?;
    run.write_report("junit.xml", junit::render(run.environment(), &contents)?.as_bytes())?;

    for finding in contents.findings() {
        print_line(format_args!("damaged evidence: {finding}"));
    }
    // Like junit.xml, the Markdown is of the whole run.
    let of_run = last_attempts(contents.records, |_| true);
    let records = last_attempts(of_run.clone(), |cell| asked.cells.contains(cell));
    print_failures(run.environment(), run.folder(), &records);
    print_findings(&records);
    let times = performance::rows(&records);
    if !times.is_empty() {
        if run.environment().program.build != "release" {
            print_line("These are the times of a debug build; `cargo run --release` gives those of the program.");
        }
        run.write_report("performance.svg", chart::render(&times).as_bytes())?;
    }
    let summary = Summary::of(&records);
    let subject =
        run.environment().subject.as_ref().map_or_else(String::new, |subject| format!("subject: {subject}\n"));
    print_line(format_args!(
        "\n{}\n{}{}{subject}evidence: {}",
        terminal::table(&summary).framed(),
        terminal::skips(&summary),
        approvals(&records),
        run.folder().display()
    ));
    let unrecorded = asked.cells.len() - records.len();
    let mut shortfalls = asked.shortfalls(&summary);
    if unrecorded > 0 {
        shortfalls.push(format!("{unrecorded} of {} cells have no verdict", asked.cells.len()));
    }
    let document = markdown::render(&[(run.environment(), run.folder(), &of_run)], &shortfalls);
    run.write_report("report.md", document.as_bytes())?;
    let exit = match execution {
        Execution::Interrupted => {
            print_line(format_args!("INTERRUPTED: `--resume {}` finishes the rest", run.name()));
            Exit::Interrupted
        }
        Execution::Stranded => {
            print_line(terminal::conclusion(&summary, &shortfalls));
            print_line(format_args!(
                "the ranks are lost: start them again with `--resume {}` for the rest",
                run.name()
            ));
            exit(&summary, &shortfalls)
        }
        Execution::Complete if unrecorded > 0 => {
            return Err(Stop::RecordsLost { cells: unrecorded, run: run.name().to_owned() });
        }
        Execution::Complete => {
            print_line(terminal::conclusion(&summary, &shortfalls));
            exit(&summary, &shortfalls)
        }
    };
    run.close()?;
    Ok(exit)
}

/// Prints what is wrong with each cell that failed.
fn print_failures(environment: &Environment, folder: &Path, records: &[Record]) {
    for failure in records.iter().filter_map(|record| terminal::failure(environment, folder, record)) {
        print_line(format_args!("\n{}", failure.trim_end()));
    }
}

/// Prints the tables of what was found besides verdicts.
fn print_findings(records: &[Record]) {
    for (_, table) in findings(records) {
        print_line(format_args!("\n{}", table.framed()));
    }
}

/// Prints runs as one: `runs` with the last attempt at each of its cells, and what is missing from them all. Gives the
/// exit status, and the same as Markdown.
pub(crate) fn publish_collection(runs: &[(&Environment, &Path, &[Record])], shortfalls: Vec<String>) -> (Exit, String) {
    for (environment, folder, records) in runs {
        print_failures(environment, folder, records);
    }
    let records: Vec<Record> = runs.iter().flat_map(|(_, _, records)| records.iter().cloned()).collect();
    print_findings(&records);
    let summary = Summary::of(&records);
    let nothing_ran = (summary.total.executed() == 0).then(|| "no cell was executed".to_owned());
    let shortfalls: Vec<String> = shortfalls.into_iter().chain(nothing_ran).collect();
    print_line(format_args!(
        "\n{}\n{}{}{}",
        terminal::table(&summary).framed(),
        terminal::skips(&summary),
        approvals(&records),
        terminal::conclusion(&summary, &shortfalls)
    ));
    (exit(&summary, &shortfalls), markdown::render(runs, &shortfalls))
}

/// How a run ends whose cells all have their verdicts.
fn exit(summary: &Summary, shortfalls: &[String]) -> Exit {
    if summary.total.failures() > 0 {
        Exit::Failed
    } else if !shortfalls.is_empty() {
        Exit::Incomplete
    } else {
        Exit::Passed
    }
}

/// One record for each of the chosen cells that has one: that of its last attempt, in the order in which cells first ended.
pub(crate) fn last_attempts(records: Vec<Record>, is_chosen: impl Fn(&str) -> bool) -> Vec<Record> {
    let mut places = HashMap::new();
    let mut last: Vec<Record> = Vec::new();
    for record in records.into_iter().filter(|record| is_chosen(&record.cell.name)) {
        match places.get(&record.cell.name) {
            Some(&place) => last[place] = record,
            None => {
                places.insert(record.cell.name.clone(), last.len());
                last.push(record);
            }
        }
    }
    last
}
