//! Output that is written once, front to back.
//!
//! An output larger than the caches is not read again before it has left them, so fetching its old contents, as an
//! ordinary store does, costs up to a third of all traffic for nothing. [`Sequential`] collects what is written in a
//! small buffer and sends whole cache lines past the caches with non-temporal stores. A smaller output is written in
//! place: who reads it next finds it in a cache.
//!
//! Rows and gaps between them are often as short as one line, so that calls would cost more than what they do. What
//! lies on the way of every row is therefore inlined into the operator's loop, and compiled for its instructions.

use std::mem;

use bytemuck::Pod;

use super::InstructionSet;

/// Outputs of at least this many bytes are streamed past the caches: half the last level of a common server. Outputs of
/// 8 MiB stay in that cache from call to call; streamed, `resample` of f32 was measured to be 5 % faster, and `fuse`,
/// whose rows are pieced together in the buffer, up to 15 % slower.
///
/// Tests stream much smaller ones, so that they meet this path in a short time.
pub(crate) const STREAM_FROM_BYTES: usize = if cfg!(test) { 64 << 10 } else { 16 << 20 };

const LINE_BYTES: usize = 64;

/// Size of the buffer: small beside L1, large beside the cost of emptying it.
const BUFFER_BYTES: usize = 4096;

/// Zeros of at least this many bytes are not buffered.
const DIRECT_BYTES: usize = 2 * LINE_BYTES;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Buffer([u8; BUFFER_BYTES]);

/// Writes a slice front to back.
pub(crate) struct Sequential<'a, E> {
    /// What has not been written yet. Buffered elements still belong to it.
    rest: &'a mut [E],
    /// `None` writes in place.
    buffer: Option<Buffered>,
}

/// How outputs of `bytes` bytes are written: past the caches with these instructions, or in place.
pub(crate) fn past_caches(bytes: usize, instructions: InstructionSet) -> Option<InstructionSet> {
    (bytes >= STREAM_FROM_BYTES).then_some(instructions)
}

/// Bytes on their way to the front of the rest.
struct Buffered {
    bytes: Buffer,
    /// The first byte in use. It has the alignment, relative to a cache line, of the place where it belongs.
    start: usize,
    /// One past the last byte in use.
    end: usize,
    /// The CPU has them.
    instructions: InstructionSet,
}

impl<'a, E: Pod> Sequential<'a, E> {
    /// Writes to `destination`, past the caches with the widest of these instructions that the CPU has, or in place.
    pub(crate) fn new(destination: &'a mut [E], past_caches: Option<InstructionSet>) -> Self {
        let phase = destination.as_ptr() as usize % LINE_BYTES;
        let buffer = past_caches.filter(|_| cfg!(target_arch = "x86_64")).map(|instructions| Buffered {
            bytes: Buffer([0; BUFFER_BYTES]),
            start: phase,
            end: phase,
            instructions: instructions.min(InstructionSet::best()),
        });
        Self { rest: destination, buffer }
    }

    /// The next elements to write: at least one and at most `wanted`, which must be neither zero nor more than is left.
    /// The caller writes all of them before it asks again.
    #[inline(always)]
    pub(crate) fn next(&mut self, wanted: usize) -> &mut [E] {
        let Some(buffer) = &mut self.buffer else {
            let (front, rest) = mem::take(&mut self.rest).split_at_mut(wanted);
            self.rest = rest;
            return front;
        };
        if buffer.end == BUFFER_BYTES {
            buffer.send_lines(&mut self.rest);
        }
        let start = buffer.end;
        let length = wanted.min((BUFFER_BYTES - start) / size_of::<E>());
        buffer.end += length * size_of::<E>();
        bytemuck::cast_slice_mut(&mut buffer.bytes.0[start..start + length * size_of::<E>()])
    }

    /// Writes `elements`.
    pub(crate) fn write(&mut self, mut elements: &[E]) {
        while !elements.is_empty() {
            let next = self.next(elements.len());
            let (front, rest) = elements.split_at(next.len());
            next.copy_from_slice(front);
            elements = rest;
        }
    }

    /// Writes `count` zeros.
    #[inline(always)]
    pub(crate) fn zeros(&mut self, mut count: usize) {
        while count > 0 {
            let long = count * size_of::<E>() >= DIRECT_BYTES;
            match &mut self.buffer {
                Some(buffer) if long && buffer.end.is_multiple_of(LINE_BYTES) => {
                    buffer.send_lines(&mut self.rest);
                    let lines = count * size_of::<E>() / LINE_BYTES;
                    let direct = lines * LINE_BYTES / size_of::<E>();
                    let (front, rest) = mem::take(&mut self.rest).split_at_mut(direct);
                    stream_zeros(bytemuck::cast_slice_mut(front), buffer.instructions);
                    self.rest = rest;
                    count -= direct;
                }
                Some(buffer) if long => {
                    let to_line = (LINE_BYTES - buffer.end % LINE_BYTES) / size_of::<E>();
                    self.next(to_line).fill(E::zeroed());
                    count -= to_line;
                }
                Some(_) | None => {
                    let next = self.next(count);
                    next.fill(E::zeroed());
                    count -= next.len();
                }
            }
        }
    }

    /// Sends what is still buffered.
    ///
    /// # Panics
    /// If not every element of the destination was written.
    pub(crate) fn finish(mut self) {
        if let Some(mut buffer) = self.buffer.take() {
            buffer.send_lines(&mut self.rest);
            buffer.send(&mut self.rest, buffer.end);
        }
        assert!(self.rest.is_empty(), "{} elements were not written", self.rest.len());
    }
}

impl Buffered {
    /// Sends all whole lines and moves the incomplete line behind them to the front.
    #[inline(always)]
    fn send_lines<E: Pod>(&mut self, rest: &mut &mut [E]) {
        let lines_end = self.end / LINE_BYTES * LINE_BYTES;
        if lines_end <= self.start {
            return;
        }
        if !self.start.is_multiple_of(LINE_BYTES) {
            self.send(rest, self.start.next_multiple_of(LINE_BYTES));
        }
        let lines = &self.bytes.0[self.start..lines_end];
        let (front, behind) = mem::take(rest).split_at_mut(lines.len() / size_of::<E>());
        stream_lines(bytemuck::cast_slice_mut(front), lines, self.instructions);
        *rest = behind;
        if self.end > lines_end {
            self.bytes.0.copy_within(lines_end..self.end, 0);
        }
        self.end -= lines_end;
        self.start = 0;
    }

    /// Sends the bytes up to `until` with ordinary stores.
    fn send<E: Pod>(&mut self, rest: &mut &mut [E], until: usize) {
        let bytes = &self.bytes.0[self.start..until];
        let (front, behind) = mem::take(rest).split_at_mut(bytes.len() / size_of::<E>());
        bytemuck::cast_slice_mut(front).copy_from_slice(bytes);
        *rest = behind;
        self.start = until;
    }
}

impl Drop for Buffered {
    /// Orders this thread's non-temporal stores before all its later stores, in particular before the one by which it
    /// tells another thread that it has finished. Here, so that it also happens when a panic unwinds.
    fn drop(&mut self) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: SSE is part of x86-64.
        unsafe {
            std::arch::x86_64::_mm_sfence();
        }
    }
}

/// Copies whole cache lines with stores that do not fetch the destination. The CPU has `instructions`.
///
/// One store of a line is better than parts of it, which have to meet in the core before they leave it as one:
/// measured, 64-byte stores of zeros go at 1.3 to 1.5 times the rate of 16-byte stores.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn stream_lines(destination: &mut [u8], source: &[u8], instructions: InstructionSet) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};

    assert!(destination.len() == source.len() && is_whole_lines(destination));
    match instructions {
        // SAFETY: the caller's promise.
        InstructionSet::Avx512 => unsafe { lines_avx512(destination, source) },
        InstructionSet::Baseline | InstructionSet::Avx2 => {
            for (to, from) in destination.chunks_exact_mut(16).zip(source.chunks_exact(16)) {
                // SAFETY: both chunks are 16 bytes long, `to` is aligned to 16 bytes, and SSE2 is part of x86-64. The
                // fence that non-temporal stores need is in `Buffered`'s drop, on this thread.
                unsafe { _mm_stream_si128(to.as_mut_ptr().cast::<__m128i>(), _mm_loadu_si128(from.as_ptr().cast())) };
            }
        }
    }
}

/// As [`stream_lines`], from nowhere.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn stream_zeros(destination: &mut [u8], instructions: InstructionSet) {
    use std::arch::x86_64::{__m128i, _mm_setzero_si128, _mm_stream_si128};

    assert!(is_whole_lines(destination));
    match instructions {
        // SAFETY: the caller's promise.
        InstructionSet::Avx512 => unsafe { zeros_avx512(destination) },
        InstructionSet::Baseline | InstructionSet::Avx2 => {
            for to in destination.chunks_exact_mut(16) {
                // SAFETY: as in `stream_lines`.
                unsafe { _mm_stream_si128(to.as_mut_ptr().cast::<__m128i>(), _mm_setzero_si128()) };
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn is_whole_lines(destination: &[u8]) -> bool {
    (destination.as_ptr() as usize).is_multiple_of(LINE_BYTES) && destination.len().is_multiple_of(LINE_BYTES)
}

/// [`stream_lines`] for whole lines of equal number.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[inline]
fn lines_avx512(destination: &mut [u8], source: &[u8]) {
    use std::arch::x86_64::{__m512i, _mm512_loadu_si512, _mm512_stream_si512};

    for (to, from) in destination.chunks_exact_mut(LINE_BYTES).zip(source.chunks_exact(LINE_BYTES)) {
        // SAFETY: both chunks are a line long, and `to` is aligned to it.
        unsafe { _mm512_stream_si512(to.as_mut_ptr().cast::<__m512i>(), _mm512_loadu_si512(from.as_ptr().cast())) };
    }
}

/// [`stream_zeros`] for whole lines.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[inline]
fn zeros_avx512(destination: &mut [u8]) {
    use std::arch::x86_64::{__m512i, _mm512_setzero_si512, _mm512_stream_si512};

    for to in destination.chunks_exact_mut(LINE_BYTES) {
        // SAFETY: the chunk is a line long and aligned to it.
        unsafe { _mm512_stream_si512(to.as_mut_ptr().cast::<__m512i>(), _mm512_setzero_si512()) };
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn stream_zeros(destination: &mut [u8], _: InstructionSet) {
    destination.fill(0);
}

#[cfg(not(target_arch = "x86_64"))]
fn stream_lines(destination: &mut [u8], source: &[u8], _: InstructionSet) {
    destination.copy_from_slice(source);
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, test_runner::RngSeed};

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: RngSeed::Fixed(1),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn everything_arrives_in_order_and_nothing_else_is_touched(
            offset in 0_usize..40, pieces in prop::collection::vec(0_usize..3000, 0..12),
            past_caches in prop::option::of(prop::sample::select(InstructionSet::available())),
        ) {
            let length = pieces.iter().sum::<usize>();
            let mut storage = vec![u16::MAX; offset + length + 40];
            let mut writer = Sequential::new(&mut storage[offset..offset + length], past_caches);
            let mut expected = Vec::new();
            for (index, &piece) in pieces.iter().enumerate() {
                let values: Vec<u16> = (0..piece).map(|position| (index * 3000 + position) as u16).collect();
                if index % 3 == 2 {
                    writer.zeros(piece);
                    expected.resize(expected.len() + piece, 0);
                } else {
                    writer.write(&values);
                    expected.extend(values);
                }
            }
            writer.finish();
            prop_assert_eq!(&storage[offset..offset + length], &expected[..]);
            prop_assert!(storage[..offset].iter().chain(&storage[offset + length..]).all(|&guard| guard == u16::MAX));
        }
    }

    #[test]
    #[should_panic(expected = "3 elements were not written")]
    fn an_unwritten_tail_is_refused() {
        let mut storage = [0_f32; 8];
        let mut writer = Sequential::new(&mut storage, Some(InstructionSet::best()));
        writer.zeros(5);
        writer.finish();
    }
}
