//! The inner loops of interpolation, chosen once for a call.

use half::{bf16, f16};

use super::baseline;
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use crate::{cpu::InstructionSet, dtype::Float};

/// An element type for which there are inner loops in every instruction set.
#[cfg(target_arch = "x86_64")]
pub(crate) trait Interpolate: Float + avx2::Lanes + avx512::Lanes {}

/// An element type for which there are inner loops in every instruction set.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) trait Interpolate: Float {}

impl Interpolate for f32 {}
impl Interpolate for f16 {}
impl Interpolate for bf16 {}

/// The inner loops for rows of `E`.
#[derive(Clone, Copy)]
pub(super) struct Kernel<E> {
    /// [`baseline::blend`] for three rows of equal length.
    ///
    /// Calling it needs the instruction set for which it was made; [`Kernel::new`] makes none that this CPU lacks.
    blend: unsafe fn(&[E], &[E], f32, &mut [E]),
}

impl<E: Interpolate> Kernel<E> {
    /// The inner loops for `instructions`, or for the widest set below it that this CPU has.
    pub(super) fn new(instructions: InstructionSet) -> Self {
        let blend: unsafe fn(&[E], &[E], f32, &mut [E]) = match instructions.min(InstructionSet::best()) {
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => avx512::blend::<E>,
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => avx2::blend::<E>,
            #[cfg(not(target_arch = "x86_64"))]
            InstructionSet::Avx512 | InstructionSet::Avx2 => baseline::blend::<E>,
            InstructionSet::Baseline => baseline::blend::<E>,
        };
        Self { blend }
    }

    /// [`baseline::blend`].
    ///
    /// # Panics
    /// If the rows differ in length.
    pub(super) fn blend(&self, low: &[E], high: &[E], weight: f32, out: &mut [E]) {
        assert!(low.len() == out.len() && high.len() == out.len());
        // SAFETY: this CPU has the instructions, as the field demands.
        unsafe { (self.blend)(low, high, weight, out) }
    }

    /// [`baseline::copy`]. Copies are rare, and the compiler vectorises them for every CPU.
    pub(super) fn copy(&self, row: &[E], out: &mut [E]) {
        assert_eq!(row.len(), out.len());
        baseline::copy(row, out);
    }
}
