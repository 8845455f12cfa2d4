//! From records to bytes: each format is a peer, and none sees a device or judges.

pub mod junit;
pub mod progress;
mod publish;
pub mod summary;
pub mod terminal;

pub use publish::publish;
