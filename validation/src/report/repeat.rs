//! The commands that repeat one cell and replay its bundle.

use std::path::Path;

use crate::{evidence::Environment, shell::quoted};

/// The command line that executes this cell of the run's profile again, with the same data, and no other cell.
pub fn repeat_command(environment: &Environment, cell: &str) -> String {
    format!("{} --exact {}", environment.invocation, quoted(cell))
}

/// The command line that replays a bundle, with the program of the run that wrote it.
pub fn replay_command(environment: &Environment, bundle: &Path) -> String {
    let words = environment.invocation.split(" --profile ").next().unwrap_or("validation");
    let words = words.strip_suffix(" bench").unwrap_or(words);
    // It is the last option there, and already quoted.
    let library = environment.invocation.split_once(" --subject ").map_or("", |(_, library)| library);
    let option = if library.is_empty() { "" } else { " --subject " };
    format!("{words} repro {}{option}{library}", quoted(&bundle.to_string_lossy()))
}
