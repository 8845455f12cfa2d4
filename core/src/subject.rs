//! Who implements the operators: a shared library under test in the place of this crate.
//!
//! A subject is a library that exports the C functions of `core/include/robocache_subject.h`. [`Subject::load`] takes it
//! into this process, and [`Subject::registry`] puts it in the place of the implementations of a registry: names, shapes,
//! inputs, references, bounds and relations stay those of the operators, so that every suite runs on it with no further
//! code.
//!
//! Loading runs the library's constructors, and calling it runs whatever it holds: do both in a process that may die.

mod abi;
mod call;
mod description;
mod elf;
mod error;
#[cfg(test)]
mod layout;
mod library;
mod operator;
mod problem;
#[cfg(test)]
mod tests;

pub use abi::ABI_VERSION;
pub use description::{Accepted, Description, Place};
pub use error::SubjectError;
pub use library::Subject;
pub use operator::with_unknown_kernels;
