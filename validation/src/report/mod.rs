//! From records to bytes: each format is a peer, and none sees a device or judges.

pub mod junit;
pub mod ladder;
pub mod progress;
mod publish;
mod repeat;
pub mod summary;
pub mod terminal;

pub use publish::publish;
pub use repeat::{quoted, repeat_command};
