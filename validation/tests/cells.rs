//! The matrix as a Rust test program: `cargo test -p validation --test cells` and cargo-nextest run its cells one by one.

use std::process::ExitCode;

use robocache_core::operators;

fn main() -> ExitCode {
    validation::test_main(operators::registry(), "smoke")
}
