//! `resample` on the CPU.

use super::ResampleShape;
use crate::{
    cpu::CpuOptions,
    dtype::Float,
    operators::{
        interpolate::{Source, interpolate},
        times::Time,
    },
};

/// `y[B,T,D]`: the samples `x[B,S,D]`, taken at the times `ts[B,S]`, at the times `tt[B,T]`.
///
/// Source times are expected in ascending order. Others are memory-safe and give the same result for all `options`.
///
/// # Panics
/// If a length is not what `shape` says, if `S` or `D` is zero, or if a volume overflows.
pub fn resample<E: Float, T: Time>(
    shape: &ResampleShape,
    x: &[E],
    ts: &[T],
    tt: &[T],
    y: &mut [E],
    options: CpuOptions,
) {
    let source = Source { x, ts, samples: shape.source, channels: shape.channels };
    interpolate(shape.batch, shape.target, &[source], tt, y, options);
}
