//! `resample`: values of a sampled stream at other times, by linear interpolation.

pub mod cpu;
mod shape;

pub use shape::ResampleShape;
