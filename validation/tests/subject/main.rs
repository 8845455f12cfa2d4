//! Shared libraries under test, through the real program: a right one passes everything, and a wrong one costs only its own
//! cells.

#[path = "../program/project.rs"]
#[allow(dead_code, reason = "the program `program` uses all of it, this one a part")]
mod project;

mod bundles;
mod compile;
mod cuda;
mod document;
mod example;
mod misbehaving;
mod unusable;
