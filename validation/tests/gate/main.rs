//! Comparisons with programs that misbehave: each ends in time, and says what happened.

mod fake;
mod misbehaving;
mod refusals;
mod verdicts;
