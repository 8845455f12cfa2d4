//! Time axes of sensor streams.

use std::fmt::Debug;

use crate::dtype::{DType, Element};

/// How the times of a problem are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeKind {
    /// Seconds in f32, relative to any origin that the caller keeps small.
    F32Seconds,
    /// Nanoseconds in i64, such as nanoseconds since 1970.
    I64Nanoseconds,
}

impl TimeKind {
    /// The words of the matrix, in the order of the variants.
    pub const WORDS: &'static [&'static str] = &["f32", "i64"];

    /// The element type of the time tensors.
    pub const fn dtype(self) -> DType {
        match self {
            Self::F32Seconds => DType::F32,
            Self::I64Nanoseconds => DType::I64,
        }
    }
}

/// An element of a time axis.
pub trait Time: Element + PartialOrd {
    /// `later - earlier` in f32, as the definition of `resample` takes it: one IEEE subtraction for f32; the exact
    /// u64 difference rounded once for i64.
    fn difference(later: Self, earlier: Self) -> f32;
}

impl Time for f32 {
    fn difference(later: Self, earlier: Self) -> f32 {
        later - earlier
    }
}

impl Time for i64 {
    fn difference(later: Self, earlier: Self) -> f32 {
        // Wrapping: the true difference of two i64 always fits a u64, also where it overflows an i64.
        (later as u64).wrapping_sub(earlier as u64) as f32
    }
}
