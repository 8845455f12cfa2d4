//! The command that repeats one cell.

use crate::{evidence::Environment, shell::quoted};

/// The command line that executes this cell of the run's profile again, with the same data, and no other cell.
pub fn repeat_command(environment: &Environment, cell: &str) -> String {
    format!("{} --exact {}", environment.invocation, quoted(cell))
}
