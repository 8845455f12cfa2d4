//! `fuse`: several streams resampled onto one timeline, side by side.

pub mod cpu;
mod shape;

pub use shape::{FuseShape, MAX_STREAMS, StreamShape};
