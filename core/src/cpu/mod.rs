//! The CPU as a machine that runs operators: instruction sets, threads, and the session on it.

mod instructions;
mod options;
pub(crate) mod pages;
pub(crate) mod pool;
pub(crate) mod prefetch;
pub(crate) mod sequential;
mod session;

pub use instructions::InstructionSet;
pub use options::CpuOptions;
pub use session::CpuSession;
