//! Reports: records in, bytes out. None of them sees a device, and none of them judges.

pub mod junit;
mod repeat;

pub use repeat::repeat_command;
