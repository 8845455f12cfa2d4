//! A copy in host memory by all threads: what moving bytes costs at the least.

use crate::cpu::{pages, pool};

/// What a thread copies at a time: some microseconds of work.
const SHARE_LINES: usize = (128 << 10) / size_of::<Line>();

#[derive(Clone, Copy, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(C, align(64))]
struct Line([u64; 8]);

/// Two buffers, and the threads that copy one into the other.
pub struct HostCopy {
    source: Vec<Line>,
    destination: Vec<Line>,
    threads: usize,
    stream: bool,
}

impl HostCopy {
    /// A copy that moves `bytes_moved` bytes, rounded up to whole cache lines: half of them are read and half written.
    ///
    /// With `stream` the stores go past the caches and do not fetch what they overwrite.
    pub fn new(bytes_moved: u64, threads: usize, stream: bool) -> Self {
        let lines = (bytes_moved as usize / 2).div_ceil(size_of::<Line>()).max(1);
        let buffer = |number| {
            let filled = pages::filled(Line([number; 8]), lines);
            filled.unwrap_or_else(|error| panic!("no memory to copy {lines} cache lines: {error}"))
        };
        Self { source: buffer(1), destination: buffer(2), threads, stream }
    }

    /// Copies once.
    pub fn run(&mut self) {
        let shares = self.source.chunks(SHARE_LINES).zip(self.destination.chunks_mut(SHARE_LINES));
        let stream = self.stream;
        pool::for_each(self.threads, shares, || (), |(), (from, to)| copy(from, to, stream));
    }
}

fn copy(source: &[Line], destination: &mut [Line], stream: bool) {
    if stream {
        copy_past_the_caches(source, destination);
    } else {
        destination.copy_from_slice(source);
    }
}

#[cfg(target_arch = "x86_64")]
fn copy_past_the_caches(source: &[Line], destination: &mut [Line]) {
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
fn copy_past_the_caches(source: &[Line], destination: &mut [Line]) {
    destination.copy_from_slice(source);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_arrives_either_way() {
        for (bytes, stream) in [(0, true), (1000, true), (1 << 20, false), ((1 << 20) + 1000, true)] {
            let mut copy = HostCopy::new(bytes, 2, stream);
            assert!(128 * copy.source.len() as u64 >= bytes);
            copy.run();
            assert!(copy.destination.iter().all(|line| line.0 == [1; 8]));
        }
    }
}
