//! `validation mutants`: what is found is found, and nothing else is said to be.

mod bad_input;
mod cuda;
mod detection;
mod document;
mod patches;
