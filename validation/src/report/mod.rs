//! From records to bytes: each format is a peer, and none sees a device or judges.

pub mod junit;
pub mod ladder;
pub mod launches;
mod output;
pub mod progress;
mod publish;
mod repeat;
pub mod summary;
pub mod terminal;

pub use publish::{Asked, publish};
pub use repeat::repeat_command;
