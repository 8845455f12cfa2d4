//! The bandwidth of memory: a copy far larger than the caches, by all threads, with stores that do not fetch.

use crate::table;

/// Bytes copied: several times the last-level cache.
const BYTES: usize = 128 << 20;

#[derive(Clone, Copy, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(C, align(64))]
struct Line([u64; 8]);

pub(crate) struct Copy {
    source: Vec<Line>,
    destination: Vec<Line>,
    threads: usize,
}

impl Copy {
    pub(crate) fn new(threads: usize) -> Self {
        let lines = BYTES / size_of::<Line>();
        Self { source: vec![Line([1; 8]); lines], destination: vec![Line([0; 8]); lines], threads }
    }

    /// Bytes read and written in a second.
    pub(crate) fn bytes_per_second(&mut self) -> f64 {
        let share = self.source.len().div_ceil(self.threads);
        let seconds = table::seconds(|| {
            rayon::in_place_scope(|scope| {
                let mut shares = self.source.chunks(share).zip(self.destination.chunks_mut(share));
                let own = shares.next();
                for (source, destination) in shares {
                    scope.spawn(|_| copy(source, destination));
                }
                if let Some((source, destination)) = own {
                    copy(source, destination);
                }
            });
        });
        (2 * BYTES) as f64 / seconds
    }
}

#[cfg(target_arch = "x86_64")]
fn copy(source: &[Line], destination: &mut [Line]) {
    use std::arch::x86_64::{__m128i, _mm_load_si128, _mm_sfence, _mm_stream_si128};

    for (from, to) in source.iter().zip(destination) {
        let (from, to) = ((&raw const *from).cast::<__m128i>(), (&raw mut *to).cast::<__m128i>());
        for quarter in 0..4 {
            // SAFETY: a line is four aligned vectors, and SSE2 is part of x86-64.
            unsafe { _mm_stream_si128(to.add(quarter), _mm_load_si128(from.add(quarter))) };
        }
    }
    // SAFETY: SSE is part of x86-64.
    unsafe { _mm_sfence() };
}

#[cfg(not(target_arch = "x86_64"))]
fn copy(source: &[Line], destination: &mut [Line]) {
    destination.copy_from_slice(source);
}
