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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::{fuse::StreamShape, times::TimeKind};

    #[test]
    fn streams_stand_side_by_side() {
        let streams = [(2, 1), (1, 2)].map(|(source, channels)| StreamShape { source, channels });
        let shape = FuseShape { batch: 2, target: 2, streams: streams.to_vec(), times: TimeKind::I64Nanoseconds };
        let first = Stream { x: &[0.0_f32, 4.0, 10.0, 30.0], ts: &[0_i64, 4, 0, 4] };
        let second = Stream { x: &[1.0, 2.0, 3.0, 4.0], ts: &[7, 7] };
        let mut y = [f32::NAN; 12];
        fuse(&shape, &[first, second], &[1, 2, 3, 5], &mut y, CpuOptions::default());
        assert_eq!(y, [1.0, 1.0, 2.0, 2.0, 1.0, 2.0, 25.0, 3.0, 4.0, 30.0, 3.0, 4.0]);
    }

    #[test]
    #[should_panic(expected = "streams")]
    fn a_missing_stream_is_refused() {
        let shape = FuseShape {
            batch: 1,
            target: 1,
            streams: vec![StreamShape { source: 1, channels: 1 }],
            times: TimeKind::I64Nanoseconds,
        };
        fuse::<f32, i64>(&shape, &[], &[0], &mut [0.0], CpuOptions::default());
    }
}
