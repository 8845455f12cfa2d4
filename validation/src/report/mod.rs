//! From records to bytes: each format is a peer, and none sees a device.

pub mod summary;
pub mod terminal;
