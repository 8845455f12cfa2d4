//! From records to bytes: each format is a peer, and none sees a device or judges.

pub mod approvals;
pub mod bandwidth;
pub mod chart;
mod findings;
pub mod grid;
mod joint;
pub mod junit;
pub mod ladder;
pub mod launches;
pub mod losses;
pub mod markdown;
pub mod numbers;
mod output;
pub mod pattern;
pub mod performance;
pub mod progress;
mod publish;
mod repeat;
pub mod summary;
pub mod terminal;

pub(crate) use output::print_line;
pub use publish::{Asked, publish};
pub(crate) use publish::{last_attempts, publish_collection};
pub use repeat::{repeat_command, replay_command};
