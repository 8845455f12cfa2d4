//! Extents of a resample problem.

use crate::operators::times::TimeKind;

/// `x[B,S,D], ts[B,S], tt[B,T] -> y[B,T,D]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResampleShape {
    /// `B`: independent sequences; may be 0.
    pub batch: usize,
    /// `S`: samples of each sequence; at least 1.
    pub source: usize,
    /// `D`: channels of each sample; at least 1.
    pub channels: usize,
    /// `T`: target times of each sequence; may be 0.
    pub target: usize,
    /// The element type and unit of `ts` and `tt`.
    pub times: TimeKind,
}
