//! The program at its boundary: arguments in; exit status, output and evidence out.

#[path = "../subject/compile.rs"]
#[allow(dead_code, reason = "the program `subject` uses all of it, this one a part")]
mod compile;
#[path = "../evidence/fixture.rs"]
#[allow(dead_code, reason = "the program `evidence` uses all of it, this one a part")]
mod fixture;
#[path = "../killing/mod.rs"]
mod killing;

mod bad_input;
mod bad_recordings;
mod benchmarks;
mod bundles;
mod gate;
mod interrupts;
mod kernels;
mod kills;
mod nextest;
mod numbers;
mod options;
mod outcomes;
mod pipes;
mod project;
mod resuming;
mod shards;
mod terminal;
