//! Patterns on a GPU: written and checked where they lie, so that gigabytes need no copy to the host.

use super::{CudaError, Device, DeviceBuffer, Geometry, KernelArgument, Launch, Stream};
use crate::collective::{Mismatch, Origin, Pattern, Reduction};

/// Threads of a block.
const THREADS: u32 = 256;

/// Bytes of a counter.
const COUNTER: usize = size_of::<u64>();

/// Writes and checks patterns on one GPU, on a stream of its own. It waits for nothing else that the GPU does.
pub struct DevicePatterns {
    device: Device,
    stream: Stream,
    /// How many elements differ, and the index of the first.
    found: DeviceBuffer,
}

/// `robocache::Pattern` of `kernels/pattern.cu`.
#[repr(C)]
struct Parameters {
    seed: u64,
    world: u64,
    reduction: u64,
    origin: u64,
    rank: u64,
    first: u64,
    block: u64,
}

// SAFETY: `repr(C)` of the same fields as the kernels' `Pattern`, without padding.
unsafe impl KernelArgument for Parameters {}

impl Parameters {
    fn of(pattern: &Pattern, origin: Origin) -> Self {
        let reduction = match pattern.collective.reduction() {
            None => 0,
            Some(Reduction::Sum) => 1,
            Some(Reduction::Prod) => 2,
            Some(Reduction::Min) => 3,
            Some(Reduction::Max) => 4,
            Some(Reduction::Avg) => 5,
        };
        let (origin, rank, first, block) = match origin {
            Origin::Rank { rank, first } => (0, rank as u64, first, 1),
            Origin::Blocks { first, block } => (1, 0, first, block),
            Origin::Reduced { first } => (2, 0, first, 1),
        };
        Self { seed: pattern.seed, world: pattern.world as u64, reduction, origin, rank, first, block }
    }
}

impl DevicePatterns {
    /// Patterns on this GPU.
    pub fn new(device: &Device) -> Result<Self, CudaError> {
        let context = device.context();
        Ok(Self {
            device: device.clone(),
            stream: Stream::new(context)?,
            found: DeviceBuffer::new(context, 2 * COUNTER)?,
        })
    }

    /// The GPU and its kernels.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Writes the elements of a pattern to `offset` (in bytes), and waits for it.
    ///
    /// # Panics
    /// If they do not fit there, or if `offset` is no multiple of the element's size.
    pub fn fill(
        &self,
        buffer: &mut DeviceBuffer,
        offset: usize,
        elements: usize,
        pattern: &Pattern,
        origin: Origin,
    ) -> Result<(), CudaError> {
        let address = self.place(buffer, offset, elements, pattern, origin);
        if elements == 0 {
            return Ok(());
        }
        let kernel = self.device.kernels().kernel(&format!("pattern_fill_{}", pattern.dtype))?;
        // SAFETY: the arguments are those of the kernel; `place` saw that the elements lie within the buffer, which is
        // borrowed until the synchronisation below.
        unsafe {
            self.stream.launch(
                kernel,
                self.launch(elements),
                &[&address, &(elements as u64), &Parameters::of(pattern, origin)],
            )
        }?;
        self.stream.synchronize()
    }

    /// Writes `byte` to `bytes` bytes at `offset`, and waits for it.
    ///
    /// # Panics
    /// If that reaches past the end.
    pub fn poison(&self, buffer: &mut DeviceBuffer, offset: usize, bytes: usize, byte: u8) -> Result<(), CudaError> {
        let address = buffer.address_of(offset, bytes);
        // SAFETY: the bytes lie within the buffer, which is borrowed until the synchronisation.
        unsafe { self.stream.fill(address, bytes, byte) }?;
        self.stream.synchronize()
    }

    /// Copies `source` to `offset`, and waits for it.
    ///
    /// # Panics
    /// If it does not fit there.
    pub fn write(&self, buffer: &mut DeviceBuffer, offset: usize, source: &[u8]) -> Result<(), CudaError> {
        let address = buffer.address_of(offset, source.len());
        // SAFETY: the destination lies within the buffer; both are borrowed until the synchronisation.
        unsafe { self.stream.copy_from_host(address, source) }?;
        self.stream.synchronize()
    }

    /// Compares every element at `offset` (in bytes) with a pattern, and waits for it: the first that differs, if any does.
    ///
    /// # Panics
    /// As [`DevicePatterns::fill`].
    pub fn check(
        &self,
        buffer: &DeviceBuffer,
        offset: usize,
        elements: usize,
        pattern: &Pattern,
        origin: Origin,
    ) -> Result<Option<Mismatch>, CudaError> {
        let address = self.place(buffer, offset, elements, pattern, origin);
        if elements == 0 {
            return Ok(None);
        }
        let kernel = self.device.kernels().kernel(&format!("pattern_check_{}", pattern.dtype))?;
        let found = self.found.address();
        // SAFETY: both counters are this object's own, and nothing else runs on its stream.
        unsafe { self.stream.fill(found, COUNTER, 0) }?;
        // SAFETY: as above.
        unsafe { self.stream.fill(found + COUNTER as u64, COUNTER, 0xFF) }?;
        // SAFETY: the arguments are those of the kernel; `place` saw that the elements lie within the buffer, and both
        // buffers are borrowed until the synchronisation below.
        unsafe {
            self.stream.launch(
                kernel,
                self.launch(elements),
                &[&address, &(elements as u64), &Parameters::of(pattern, origin), &found],
            )
        }?;
        self.stream.synchronize()?;
        let [mut differing, mut index] = [[0; COUNTER]; 2];
        self.found.read_at(0, &mut differing)?;
        self.found.read_at(COUNTER, &mut index)?;
        let (differing, index) = (u64::from_ne_bytes(differing), u64::from_ne_bytes(index));
        if differing == 0 {
            return Ok(None);
        }
        let size = pattern.dtype.size_bytes();
        let mut actual = [0; size_of::<u64>()];
        buffer.read_at(offset + index as usize * size, &mut actual[..size])?;
        Ok(Some(Mismatch {
            index,
            dtype: pattern.dtype,
            expected: pattern.bits(origin, index),
            actual: u64::from_le_bytes(actual),
            differing,
        }))
    }

    /// The address of elements that lie within the buffer.
    fn place(&self, buffer: &DeviceBuffer, offset: usize, elements: usize, pattern: &Pattern, origin: Origin) -> u64 {
        let size = pattern.dtype.size_bytes();
        assert!(offset.is_multiple_of(size), "offset {offset} is no multiple of {size}");
        assert!(!matches!(origin, Origin::Blocks { block: 0, .. }), "blocks of no elements");
        let bytes = elements.checked_mul(size).expect("elements that fit into an address space");
        buffer.address_of(offset, bytes)
    }

    fn launch(&self, elements: usize) -> Launch {
        let limit = 32 * self.device.context().properties().multiprocessors;
        Launch::plain(Geometry::default().blocks(elements as u64, THREADS.into(), limit), THREADS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{collective::Collective, dtype::DType};

    /// Where elements lie in a test's buffer: aligned to an element of 8 bytes and no more.
    const OFFSET: usize = 8;

    fn pattern(collective: Collective, dtype: DType, world: usize) -> Pattern {
        Pattern { collective, dtype, block: 333, root: world - 1, world, seed: 0x5EED_0123_4567_89AB }
    }

    /// Everything that a rank sends or receives, and stretches that begin elsewhere.
    fn origins(pattern: &Pattern) -> Vec<Origin> {
        let ranks = [0, pattern.world / 2, pattern.world - 1];
        let of_ranks = ranks.into_iter().flat_map(|rank| [pattern.sent(rank), pattern.received(rank)]);
        let far = (1 << 40) + 7;
        of_ranks
            .chain([
                Origin::Rank { rank: pattern.world - 1, first: far },
                Origin::Blocks { first: far, block: 5 },
                Origin::Reduced { first: far },
            ])
            .collect()
    }

    fn expected_bytes(pattern: &Pattern, origin: Origin, elements: usize) -> Vec<u8> {
        let size = pattern.dtype.size_bytes();
        (0..elements as u64)
            .flat_map(|index| pattern.bits(origin, index).to_le_bytes().into_iter().take(size))
            .collect()
    }

    #[test]
    fn parameters_are_as_large_as_the_kernels_pattern() {
        assert_eq!(size_of::<Parameters>(), 56);
        let source = include_str!("../../../kernels/pattern.cu");
        for line in [
            "enum PatternOrigin : std::uint64_t { kOfRank = 0, kOfBlocks = 1, kReduced = 2 };",
            "{ kMoved = 0, kSum = 1, kProd = 2, kMin = 3, kMax = 4, kAvg = 5 };",
            "std::uint64_t seed, world, reduction, origin;",
        ] {
            assert!(source.contains(line), "the device code no longer says `{line}`");
        }
    }

    #[test]
    #[ignore = "needs an NVIDIA GPU"]
    fn a_gpu_writes_and_expects_the_bits_of_the_host() {
        let _alone = crate::cuda::alone();
        let device = Device::open(0).unwrap();
        let patterns = DevicePatterns::new(&device).unwrap();
        // With more ranks than factors, and with one.
        for world in [1, 3, 4, 16, 300] {
            for (collective, dtype) in Collective::all().flat_map(|one| DType::ALL.map(|dtype| (one, dtype))) {
                let pattern = pattern(collective, dtype, world);
                for origin in origins(&pattern) {
                    let elements = 1001;
                    let bytes = elements * dtype.size_bytes();
                    let mut buffer = DeviceBuffer::new(device.context(), OFFSET + bytes + 16).unwrap();
                    patterns.poison(&mut buffer, 0, OFFSET + bytes + 16, 0xA5).unwrap();
                    patterns.fill(&mut buffer, OFFSET, elements, &pattern, origin).unwrap();
                    let mut whole = vec![0; OFFSET + bytes + 16];
                    buffer.read(&mut whole).unwrap();
                    let name = format!("{collective} {dtype} of {world}, {origin:?}");
                    assert!(whole[OFFSET..OFFSET + bytes] == expected_bytes(&pattern, origin, elements), "{name}");
                    assert!(whole[..OFFSET].iter().chain(&whole[OFFSET + bytes..]).all(|&byte| byte == 0xA5), "{name}");
                    assert_eq!(patterns.check(&buffer, OFFSET, elements, &pattern, origin).unwrap(), None, "{name}");
                }
            }
        }
    }

    #[test]
    #[ignore = "needs an NVIDIA GPU"]
    fn one_flipped_bit_is_found_with_its_place_and_values() {
        let _alone = crate::cuda::alone();
        let device = Device::open(0).unwrap();
        let patterns = DevicePatterns::new(&device).unwrap();
        let elements = 1_000_003;
        for dtype in DType::ALL {
            let size = dtype.size_bytes();
            let mut buffer = DeviceBuffer::new(device.context(), size * (elements + 1)).unwrap();
            let pattern = pattern(Collective::AllReduce(Reduction::Sum), dtype, 4);
            let origin = pattern.received(0);
            patterns.fill(&mut buffer, size, elements, &pattern, origin).unwrap();
            // From the last to the first, so that each becomes the first that differs.
            for (count, index) in [elements - 1, 777_777, 4096, 1, 0].into_iter().enumerate() {
                let expected = pattern.bits(origin, index as u64);
                let actual = expected ^ 1 << (8 * size - 1);
                patterns.write(&mut buffer, size * (index + 1), &actual.to_le_bytes()[..size]).unwrap();
                let found = patterns.check(&buffer, size, elements, &pattern, origin).unwrap();
                let differing = count as u64 + 1;
                assert_eq!(found, Some(Mismatch { index: index as u64, dtype, expected, actual, differing }));
            }
        }
    }

    #[test]
    #[ignore = "needs an NVIDIA GPU"]
    fn nothing_is_written_and_nothing_differs_where_there_are_no_elements() {
        let _alone = crate::cuda::alone();
        let device = Device::open(0).unwrap();
        let patterns = DevicePatterns::new(&device).unwrap();
        let mut empty = DeviceBuffer::new(device.context(), 0).unwrap();
        let pattern = pattern(Collective::AllGather, DType::F32, 2);
        patterns.fill(&mut empty, 0, 0, &pattern, pattern.sent(0)).unwrap();
        patterns.poison(&mut empty, 0, 0, 1).unwrap();
        assert_eq!(patterns.check(&empty, 0, 0, &pattern, pattern.sent(0)).unwrap(), None);
    }
}
