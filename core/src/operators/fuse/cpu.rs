//! `fuse` on the CPU.

use super::FuseShape;
use crate::{
    cpu::CpuOptions,
    dtype::Float,
    operators::{
        interpolate::{Source, interpolate},
        times::Time,
    },
};

/// The data of one stream.
#[derive(Clone, Copy, Debug)]
pub struct Stream<'a, E, T> {
    /// The samples, `[B,S_i,D_i]`.
    pub x: &'a [E],
    /// Their times, `[B,S_i]`, in ascending order.
    pub ts: &'a [T],
}

/// `y[B,T,sum D_i]`: every stream at the times `tt[B,T]`, side by side.
///
/// # Panics
/// If there is not one of `streams` for each that `shape` names, a length is not what `shape` says, an `S_i` or `D_i`
/// is zero, or a volume overflows.
pub fn fuse<E: Float, T: Time>(
    shape: &FuseShape,
    streams: &[Stream<'_, E, T>],
    tt: &[T],
    y: &mut [E],
    options: CpuOptions,
) {
    assert_eq!(streams.len(), shape.streams.len(), "streams");
    let sources: Vec<Source<'_, E, T>> = shape
        .streams
        .iter()
        .zip(streams)
        .map(|(shape, stream)| Source { x: stream.x, ts: stream.ts, samples: shape.source, channels: shape.channels })
        .collect();
    interpolate(shape.batch, shape.target, &sources, tt, y, options);
}
