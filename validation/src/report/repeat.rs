//! The commands that repeat one cell and replay its bundle.

use std::path::Path;

use crate::{
    cell::{Cell, Device},
    evidence::Environment,
    shell::quoted,
};

/// The command line that executes this cell of the run's profile again, with the same data, and no other cell.
pub fn repeat_command(environment: &Environment, cell: &str) -> String {
    format!("{} --exact {}", environment.invocation, quoted(cell))
}

/// The command line that replays the bundle of a cell, with the program of the run that wrote it.
pub fn replay_command(environment: &Environment, cell: &Cell, bundle: &Path) -> String {
    let words = environment.invocation.split(" --profile ").next().unwrap_or("validation");
    let words = words.strip_suffix(" bench").unwrap_or(words);
    // One of the two at most, and the last option there: its path is already quoted.
    let given = |option: &str| environment.invocation.split_once(option).map(|(_, path)| format!("{option}{path}"));
    let with = given(" --subject ").or_else(|| match cell.device {
        Device::Cpu => None,
        Device::Cuda => given(" --kernels "),
    });
    format!("{words} repro {}{}", quoted(&bundle.to_string_lossy()), with.unwrap_or_default())
}
