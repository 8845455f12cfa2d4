//! The validation program over RoboCache's own operators.

use std::process::ExitCode;

use robocache_core::operators;

fn main() -> ExitCode {
    validation::main(operators::registry())
}
