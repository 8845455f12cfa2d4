//! Memory of the host that ranks send from and receive into.

use bytemuck::Zeroable;

use super::{CommunicatorError, Memory};
use crate::{
    collective::{Mismatch, Origin, Pattern, Patterned},
    cpu::pages,
    tensor::{ALIGNMENT_BYTES, Line},
};

/// Bytes of the host, aligned to 64.
pub struct HostMemory {
    lines: Vec<Line>,
    bytes: usize,
}

impl HostMemory {
    /// So many zeros.
    ///
    /// # Errors
    /// [`CommunicatorError::Unsupported`] where the system does not give that much.
    pub fn zeros(bytes: usize) -> Result<Self, CommunicatorError> {
        let lines = pages::filled(Line::zeroed(), bytes.div_ceil(ALIGNMENT_BYTES))
            .map_err(|error| CommunicatorError::Unsupported(format!("{bytes} bytes of host memory: {error}")))?;
        Ok(Self { lines, bytes })
    }

    /// All bytes.
    pub fn as_slice(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.lines)[..self.bytes]
    }

    /// All bytes, to be written.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.bytes]
    }
}

impl Memory for HostMemory {
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn write(&mut self, offset: usize, source: &[u8]) -> Result<(), CommunicatorError> {
        self.as_mut_slice()[offset..][..source.len()].copy_from_slice(source);
        Ok(())
    }

    fn read(&self, offset: usize, destination: &mut [u8]) -> Result<(), CommunicatorError> {
        destination.copy_from_slice(&self.as_slice()[offset..][..destination.len()]);
        Ok(())
    }
}

/// The low bytes of an element's bits, as they lie in memory.
fn low_bytes<const SIZE: usize>(bits: u64) -> [u8; SIZE] {
    std::array::from_fn(|byte| (bits >> (8 * byte)) as u8)
}

fn fill<const SIZE: usize>(buffer: &mut [u8], pattern: &Pattern, origin: Origin) {
    for (element, index) in buffer.as_chunks_mut::<SIZE>().0.iter_mut().zip(0..) {
        *element = low_bytes(pattern.bits(origin, index));
    }
}

fn check<const SIZE: usize>(buffer: &[u8], pattern: &Pattern, origin: Origin) -> Option<Mismatch> {
    let mut first = None;
    for (element, index) in buffer.as_chunks::<SIZE>().0.iter().zip(0..) {
        let expected = pattern.bits(origin, index);
        if *element != low_bytes(expected) {
            let actual = element.iter().rev().fold(0, |bits, &byte| bits << 8 | u64::from(byte));
            let dtype = pattern.dtype;
            first.get_or_insert(Mismatch { index, dtype, expected, actual, differing: 0 }).differing += 1;
        }
    }
    first
}

impl Patterned for HostMemory {
    fn fill(
        &mut self,
        offset: usize,
        elements: usize,
        pattern: &Pattern,
        origin: Origin,
    ) -> Result<(), CommunicatorError> {
        let size = pattern.dtype.size_bytes();
        assert!(offset.is_multiple_of(size), "offset {offset} is no multiple of {size}");
        let buffer = &mut self.as_mut_slice()[offset..][..elements * size];
        match size {
            2 => fill::<2>(buffer, pattern, origin),
            4 => fill::<4>(buffer, pattern, origin),
            _ => fill::<8>(buffer, pattern, origin),
        }
        Ok(())
    }

    fn poison(&mut self, offset: usize, bytes: usize, byte: u8) -> Result<(), CommunicatorError> {
        self.as_mut_slice()[offset..][..bytes].fill(byte);
        Ok(())
    }

    fn check(
        &self,
        offset: usize,
        elements: usize,
        pattern: &Pattern,
        origin: Origin,
    ) -> Result<Option<Mismatch>, CommunicatorError> {
        let size = pattern.dtype.size_bytes();
        assert!(offset.is_multiple_of(size), "offset {offset} is no multiple of {size}");
        let buffer = &self.as_slice()[offset..][..elements * size];
        Ok(match size {
            2 => check::<2>(buffer, pattern, origin),
            4 => check::<4>(buffer, pattern, origin),
            _ => check::<8>(buffer, pattern, origin),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{collective::Collective, dtype::DType};

    #[test]
    fn a_wrong_element_is_found_with_its_bits_and_the_others_are_counted() {
        for dtype in DType::ALL {
            let pattern = Pattern { collective: Collective::AllGather, dtype, block: 40, root: 0, world: 2, seed: 3 };
            let (size, origin) = (dtype.size_bytes(), pattern.received(0));
            let mut memory = HostMemory::zeros(81 * size).unwrap();
            memory.fill(size, 80, &pattern, origin).unwrap();
            assert_eq!(memory.check(size, 80, &pattern, origin).unwrap(), None);
            memory.poison(size * 42, 3 * size, 0xEE).unwrap();
            let mismatch = memory.check(size, 80, &pattern, origin).unwrap().unwrap();
            let actual = 0xEEEE_EEEE_EEEE_EEEE >> (64 - 8 * size);
            let expected = pattern.bits(origin, 41);
            assert_eq!(mismatch, Mismatch { index: 41, dtype, expected, actual, differing: 3 });
        }
    }
}
