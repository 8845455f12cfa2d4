//! Shared libraries under test, through the real program: a right one passes everything, and a wrong one costs only its own
//! cells.

mod bundles;
mod cuda;
mod document;
mod example;
mod misbehaving;
mod unusable;
