//! `resample`: values of a sampled stream at other times, by linear interpolation.

mod shape;

pub use shape::ResampleShape;
