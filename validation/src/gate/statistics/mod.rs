//! What blocks of measurements say: ratios with confidence bounds, and what may be concluded from them. Pure.

mod bootstrap;
mod decision;
mod estimate;
mod holm;
mod round;
mod student;
#[cfg(test)]
mod tests;

pub use self::{
    decision::{Decision, Doubt, Judgement, Settled, judge},
    estimate::Estimate,
    round::{Block, Round, Turn},
};
