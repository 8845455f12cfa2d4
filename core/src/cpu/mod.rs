//! The CPU as a machine that runs operators: instruction sets, threads, and the session on it.

mod instructions;
mod options;
mod session;

pub use instructions::InstructionSet;
pub use options::CpuOptions;
pub use session::CpuSession;
