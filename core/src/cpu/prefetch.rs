//! Asking for memory before it is needed.

use bytemuck::Pod;

/// Asks for the cache lines of `elements`, where there is a way to ask.
#[inline(always)]
pub(crate) fn prefetch<E: Pod>(elements: &[E]) {
    #[cfg(target_arch = "x86_64")]
    for line in bytemuck::cast_slice::<E, u8>(elements).chunks(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: SSE is part of x86-64, and a hint reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = elements;
}
