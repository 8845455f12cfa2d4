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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::times::TimeKind;

    const SHAPE: ResampleShape =
        ResampleShape { batch: 1, source: 3, channels: 2, target: 4, times: TimeKind::F32Seconds };

    #[test]
    fn values_are_interpolated_copied_and_clamped() {
        let mut y = [f32::NAN; 8];
        let (ts, tt) = ([0.0_f32, 1.0, 3.0], [-1.0, 0.25, 1.0, 9.0]);
        resample(&SHAPE, &[0.0, 8.0, 4.0, -0.0, 5.0, 6.0], &ts, &tt, &mut y, CpuOptions::default());
        assert_eq!(y, [0.0, 8.0, 1.0, 6.0, 4.0, 0.0, 5.0, 6.0]);
        assert!(y[5].is_sign_negative());
    }

    #[test]
    fn no_targets_and_no_sequences_are_legal() {
        let none = ResampleShape { target: 0, ..SHAPE };
        resample(&none, &[0.0_f32; 6], &[0_i64, 1, 2], &[], &mut [], CpuOptions::default());
        let none = ResampleShape { batch: 0, ..SHAPE };
        resample::<f32, i64>(&none, &[], &[], &[], &mut [], CpuOptions::default());
    }

    #[test]
    #[should_panic(expected = "elements of y[1,4,2]")]
    fn a_short_output_is_refused() {
        resample(&SHAPE, &[0.0_f32; 6], &[0_i64, 1, 2], &[0; 4], &mut [0.0; 7], CpuOptions::default());
    }
}
