//! `resample` and `fuse` against the definition, written down once more as plainly as possible.

use half::{bf16, f16};
use proptest::{prelude::*, sample::select, test_runner::RngSeed};

use super::{Source, interpolate};
use crate::{
    cpu::{CpuOptions, InstructionSet},
    dtype::Float,
    operators::times::Time,
};

/// Draws 64 bits at a time: much faster than a proptest strategy for each element, and it shrinks with the seed's case.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // SplitMix64 (Steele, Lea and Flood, 2014).
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// An element of any bits: NaN of all payloads, infinities and subnormals come by themselves in 16-bit types.
fn element<E: Float>(random: &mut Random) -> E {
    let special = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MIN_POSITIVE / 8.0, f32::MAX, 1e-45];
    let bits = random.next();
    match random.below(4) {
        0 => E::narrow(special[random.below(8) as usize]),
        1 => E::narrow((bits as i32 as f32) / 2_147_483_648.0),
        _ => bytemuck::pod_read_unaligned(&bits.to_le_bytes()[..size_of::<E>()]),
    }
}

/// A time type, and times of it that collide often.
trait TestTime: Time {
    fn draw(random: &mut Random) -> Self;
    fn sort(times: &mut [Self]);
}

impl TestTime for f32 {
    fn draw(random: &mut Random) -> Self {
        match random.below(40) {
            0 => f32::NAN,
            1 => f32::INFINITY,
            2 => f32::NEG_INFINITY,
            3 => -0.0,
            4 => f32::from_bits(random.next() as u32),
            _ => (random.below(64) as f32 - 32.0) * 0.37,
        }
    }

    fn sort(times: &mut [Self]) {
        times.sort_by(f32::total_cmp);
    }
}

impl TestTime for i64 {
    fn draw(random: &mut Random) -> Self {
        match random.below(40) {
            0 => i64::MIN,
            1 => i64::MAX,
            2 => random.next() as i64,
            _ => 1_700_000_000_000_000_000 + random.below(64) as i64 * 333_333_333,
        }
    }

    fn sort(times: &mut [Self]) {
        times.sort_unstable();
    }
}

/// One element of the output, from DESIGN's words.
fn expected<E: Float, T: Time>(times: &[T], target: T, x: impl Fn(usize) -> E) -> E {
    let (mut low, mut high) = (0, times.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if times[middle] <= target {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if low == 0 {
        return x(0).canonical();
    }
    let index = low - 1;
    if index == times.len() - 1 || times[index] == target {
        return x(index).canonical();
    }
    let weight = T::difference(target, times[index]) / T::difference(times[index + 1], times[index]);
    E::narrow(x(index).widen() * (1.0 - weight) + x(index + 1).widen() * weight)
}

fn check<E: Float, T: TestTime>(batch: usize, targets: usize, streams: &[(usize, usize)], sorted: bool, seed: u64) {
    let mut random = Random(seed);
    let mut times = |length: usize, each: usize| {
        let mut times: Vec<T> = (0..length).map(|_| T::draw(&mut random)).collect();
        if sorted {
            times.chunks_mut(each).for_each(T::sort);
        }
        times
    };
    let tt = times(batch * targets, targets.max(1));
    let ts: Vec<Vec<T>> = streams.iter().map(|&(samples, _)| times(batch * samples, samples)).collect();
    let x: Vec<Vec<E>> = streams
        .iter()
        .map(|&(samples, channels)| (0..batch * samples * channels).map(|_| element(&mut random)).collect())
        .collect();
    let sources: Vec<Source<'_, E, T>> = streams
        .iter()
        .zip(x.iter().zip(&ts))
        .map(|(&(samples, channels), (x, ts))| Source { x, ts, samples, channels })
        .collect();

    let mut expected_y = Vec::new();
    for (row, &target) in tt.iter().enumerate() {
        let batch = row / targets;
        for source in &sources {
            let times = &source.ts[batch * source.samples..][..source.samples];
            for channel in 0..source.channels {
                let x = |index: usize| source.x[(batch * source.samples + index) * source.channels + channel];
                expected_y.push(expected(times, target, x));
            }
        }
    }
    for instructions in InstructionSet::available() {
        for threads in [1, 2, 5] {
            let mut y = vec![E::CANONICAL_NAN; expected_y.len()];
            interpolate(batch, targets, &sources, &tt, &mut y, CpuOptions { threads, instructions });
            let (y, expected_y): (&[u8], &[u8]) = (bytemuck::cast_slice(&y), bytemuck::cast_slice(&expected_y));
            let differing = y.iter().zip(expected_y).position(|(actual, expected)| actual != expected);
            let element = differing.map(|byte| byte / size_of::<E>());
            assert_eq!(element, None, "{} {instructions} on {threads} threads: first difference", E::DTYPE);
        }
    }
}

fn check_all(batch: usize, targets: usize, streams: &[(usize, usize)], sorted: bool, seed: u64) {
    check::<f32, f32>(batch, targets, streams, sorted, seed);
    check::<f16, f32>(batch, targets, streams, sorted, seed);
    check::<bf16, f32>(batch, targets, streams, sorted, seed);
    check::<f32, i64>(batch, targets, streams, sorted, seed);
    check::<f16, i64>(batch, targets, streams, sorted, seed);
    check::<bf16, i64>(batch, targets, streams, sorted, seed);
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::with_cases(60)
    })]

    #[test]
    fn every_instruction_set_and_thread_count_gives_the_defined_bits(
        batch in 0_usize..4,
        targets in select(vec![0, 1, 2, 9, 40, 150]),
        streams in prop::collection::vec(
            (select(vec![1, 2, 3, 10, 70]), select(vec![1, 3, 7, 8, 16, 17, 31, 64, 100])), 1..4),
        sorted: bool,
        seed: u64,
    ) {
        check_all(batch, targets, &streams, sorted, seed);
    }
}

#[test]
fn rows_wider_than_a_task_and_of_odd_alignment() {
    check_all(2, 30, &[(20, 588), (9, 1), (5, 40_001)], true, 1);
}

#[test]
fn long_sequences_with_few_targets_are_bisected() {
    check_all(2, 3, &[(5000, 3)], true, 2);
    check_all(2, 3, &[(5000, 3)], false, 3);
}

/// Outputs that are streamed past the cache, at every alignment of their first element.
#[test]
fn large_outputs_of_any_alignment() {
    let (batch, samples, targets, channels) = (3, 40, 500, 701);
    let mut random = Random(4);
    let x: Vec<bf16> = (0..batch * samples * channels).map(|_| element(&mut random)).collect();
    let ts: Vec<f32> = (0..batch * samples).map(|index| (index % samples) as f32).collect();
    let tt: Vec<f32> = (0..batch * targets).map(|index| (index % targets) as f32 * 0.081).collect();
    let source = Source { x: &x, ts: &ts, samples, channels };
    let elements = batch * targets * channels;
    assert!(elements * 2 >= crate::cpu::sequential::STREAM_FROM_BYTES);
    let run = |offset: usize, options| {
        let mut storage = vec![bf16::from_bits(0xA5A5); elements + 64];
        interpolate(batch, targets, &[source], &tt, &mut storage[offset..offset + elements], options);
        let guards = storage[..offset].iter().chain(&storage[offset + elements..]);
        assert!(guards.map(|guard| guard.to_bits()).all(|bits| bits == 0xA5A5));
        storage[offset..offset + elements].iter().map(|element| element.to_bits()).collect::<Vec<_>>()
    };
    let plain = run(0, CpuOptions { threads: 1, instructions: InstructionSet::Baseline });
    for offset in [1, 2, 31, 33] {
        assert!(run(offset, CpuOptions::default()) == plain, "offset {offset}");
    }
}
