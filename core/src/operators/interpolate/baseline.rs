//! The definition of interpolation, one element after the other, for every CPU and for the ends of rows.

use crate::dtype::Float;

/// `out = low * (1 - weight) + high * weight` in f32, unfused, rounded once to `E`; NaN becomes the canonical NaN.
#[inline(always)]
pub(super) fn blend<E: Float>(low: &[E], high: &[E], weight: f32, out: &mut [E]) {
    let complement = 1.0 - weight;
    for ((out, low), high) in out.iter_mut().zip(low).zip(high) {
        *out = E::narrow(low.widen() * complement + high.widen() * weight);
    }
}

/// `out = row`, bit for bit except that NaN becomes the canonical NaN.
#[inline(always)]
pub(super) fn copy<E: Float>(row: &[E], out: &mut [E]) {
    for (out, element) in out.iter_mut().zip(row) {
        *out = element.canonical();
    }
}
