//! The end of a run: its records are read back, rendered, and summed up in an exit status.

use std::collections::BTreeMap;

use super::{junit, summary::Summary, terminal};
use crate::{
    Stop,
    evidence::{Record, Run},
    exit::Exit,
    supervisor::Execution,
};

/// Writes the reports of a run, prints its summary, and says how the program ends.
pub fn publish(run: Run, missing_requirements: &[String], execution: Execution) -> Result<Exit, Stop> {
    let contents = run.contents()?;
    run.write_report("junit.xml", junit::render(run.environment(), &contents)?.as_bytes())?;

    for fault in contents.damage.iter().map(ToString::to_string).chain(contents.torn_tail.map(|tail| tail.to_string()))
    {
        anstream::println!("damaged evidence: {fault}");
    }
    let records = last_attempts(contents.records);
    let summary = Summary::of(&records);
    for failure in records.iter().filter_map(|record| terminal::failure(run.environment(), record)) {
        anstream::print!("\n{failure}");
    }
    anstream::println!("\n{}", terminal::table(&summary));
    anstream::print!("{}", terminal::skips(&summary));
    anstream::println!("evidence: {}", run.folder().display());
    match execution {
        Execution::Complete => anstream::println!("{}", terminal::conclusion(&summary, missing_requirements)),
        Execution::Interrupted => anstream::println!("INTERRUPTED: `--resume {}` finishes the rest", run.name()),
    }
    run.close()?;
    Ok(match execution {
        Execution::Interrupted => Exit::Interrupted,
        Execution::Complete if summary.total.failures() > 0 => Exit::Failed,
        Execution::Complete if !missing_requirements.is_empty() => Exit::Incomplete,
        Execution::Complete => Exit::Passed,
    })
}

/// One record for each cell: that of its last attempt, in the order in which cells first ended.
fn last_attempts(records: Vec<Record>) -> Vec<Record> {
    let mut place = BTreeMap::new();
    let mut last: Vec<Record> = Vec::new();
    for record in records {
        match place.get(&record.cell.name) {
            Some(&index) => last[index] = record,
            None => {
                place.insert(record.cell.name.clone(), last.len());
                last.push(record);
            }
        }
    }
    last
}
