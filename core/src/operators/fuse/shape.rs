//! Extents of a fuse problem.

use crate::operators::times::TimeKind;

/// The most streams that one call takes.
pub const MAX_STREAMS: usize = 16;

/// `x_i[B,S_i,D_i], ts_i[B,S_i], tt[B,T] -> y[B,T,sum D_i]`.
///
/// The inputs are, in this order: `tt`, then `x_0, ts_0, x_1, ts_1, ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuseShape {
    /// `B`: independent sequences; may be 0.
    pub batch: usize,
    /// `T`: target times; may be 0.
    pub target: usize,
    /// The streams, in the order of their channels in `y`; between 1 and [`MAX_STREAMS`].
    pub streams: Vec<StreamShape>,
    /// The element type and unit of all times.
    pub times: TimeKind,
}

/// One stream of a fuse problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamShape {
    /// `S_i`: samples; at least 1.
    pub source: usize,
    /// `D_i`: channels; at least 1.
    pub channels: usize,
}
