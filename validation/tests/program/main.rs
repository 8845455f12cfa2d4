//! The program at its boundary: arguments in; exit status, output and evidence out.

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
mod resuming;
mod shards;
mod terminal;
