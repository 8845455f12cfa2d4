//! `validation mutants`: what is found is found, and nothing else is said to be.

#[path = "../program/project.rs"]
#[allow(dead_code, reason = "the program `program` uses all of it, this one a part")]
mod project;

mod bad_input;
mod cuda;
mod detection;
mod document;
mod patches;
