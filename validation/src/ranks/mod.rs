//! Ranks that are processes of their own, on this machine or on many.

pub mod environment;
