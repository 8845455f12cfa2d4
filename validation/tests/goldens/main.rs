//! Goldens through the real program: written once, reproduced bit for bit, and refused when they are not what was
//! written.

#[path = "../subject/compile.rs"]
#[allow(dead_code, reason = "the program `subject` uses all of it, this one a part")]
mod compile;
mod corpus;
#[path = "../program/project.rs"]
#[allow(dead_code, reason = "the program `program` uses all of it, this one a part")]
mod project;

mod approvals;
mod refusals;
mod reproducing;
mod subjects;
mod writing;
