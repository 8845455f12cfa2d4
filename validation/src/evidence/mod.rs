//! Evidence: what a run leaves behind, so that a stranger can check it and replay any cell of it.
//!
//! A run is a folder. `environment.json` says what ran on what, `matrix.yaml` what was asked, and `records.jsonl` what
//! came of each cell. The record log is the only file that grows; every other file appears whole or not at all.
//! `docs/evidence.md` describes the formats for readers that are not this program.
//!
//! Nothing here judges, and nothing here knows a device.

pub mod environment;
pub mod fact;
mod frame;
pub mod gpu;
pub mod host;
mod lock;
pub mod log;
mod open;
pub mod program;
pub mod read;
pub mod record;
pub mod run;
pub mod storage;
mod tail;

pub use environment::{Environment, Filters, Selection};
pub use fact::Fact;
pub use log::{AppendError, RecordLog};
pub(crate) use open::kernel_image;
pub use open::{open, open_anew};
pub use program::Program;
pub use read::{Damage, LogContents, LogError, TornTail, parse_log, read_log};
pub use record::Record;
pub use run::{NextestRun, Run, RunError};
pub use storage::StorageError;
