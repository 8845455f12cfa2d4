//! Goldens through the real program: written once, reproduced bit for bit, and refused when they are not what was
//! written.

mod corpus;

mod approvals;
mod refusals;
mod reproducing;
mod subjects;
mod writing;
