//! The supervisor against workers that do everything a worker must not. This program is its own worker.

mod cells;
mod crashes;
mod hostile;
mod lifetime;
mod scheduling;
mod subject;

use std::{env, process::ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    // No word that somebody might give as a filter of test names.
    match env::args().nth(1).as_deref() {
        Some("as-worker") => subject::serve(),
        Some("as-hostile-worker") => hostile::serve(),
        Some("as-supervisor") => lifetime::supervise(),
        Some(_) | None => libtest_mimic::run(&Arguments::from_args(), trials()).exit_code(),
    }
}

fn trials() -> Vec<Trial> {
    let tests: Vec<(&str, fn())> = [crashes::TESTS, hostile::TESTS, lifetime::TESTS, scheduling::TESTS].concat();
    let trial = |(name, test): (&str, fn())| {
        Trial::test(name, move || -> Result<(), Failed> {
            test();
            Ok(())
        })
    };
    tests.into_iter().map(trial).collect()
}
