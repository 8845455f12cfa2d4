//! Tensors filled block by block, each block by its own generator.

use rand_chacha::{ChaCha8Rng, rand_core::Rng};
use rayon::prelude::*;

use crate::random::Seed;

/// Elements of a block. A change here changes the data of every cell.
const BLOCK_ELEMENTS: usize = 1 << 16;

/// Fills `elements`; `draw` is given the block's generator and the element's offset.
pub(crate) fn fill<E: Send>(elements: &mut [E], seed: Seed, draw: impl Fn(&mut ChaCha8Rng, usize) -> E + Sync) {
    elements.par_chunks_mut(BLOCK_ELEMENTS).enumerate().for_each(|(block, elements)| {
        let mut generator = seed.block_generator(block as u64);
        for (offset, element) in elements.iter_mut().enumerate() {
            *element = draw(&mut generator, block * BLOCK_ELEMENTS + offset);
        }
    });
}

/// Fills rows of `width` elements, the last of which may be shorter; `draw` is given the block's generator.
pub(crate) fn fill_rows<E: Send>(
    elements: &mut [E],
    width: usize,
    seed: Seed,
    draw: impl Fn(&mut ChaCha8Rng, &mut [E]) + Sync,
) {
    let rows = (BLOCK_ELEMENTS / width).max(1);
    elements.par_chunks_mut(rows * width).enumerate().for_each(|(block, elements)| {
        let mut generator = seed.block_generator(block as u64);
        for row in elements.chunks_mut(width) {
            draw(&mut generator, row);
        }
    });
}

/// A number below `limit`, which must be positive. The bias is below `limit / 2^64`.
pub(crate) fn below(generator: &mut impl Rng, limit: usize) -> usize {
    ((u128::from(generator.next_u64()) * limit as u128) >> 64) as usize
}

/// A number of `[0, 1)`, a multiple of `2^-53`.
pub(crate) fn unit(generator: &mut impl Rng) -> f64 {
    (generator.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Puts `items` in a random order (Fisher-Yates; Knuth, volume 2, algorithm 3.4.2P).
pub(crate) fn shuffle<T>(items: &mut [T], generator: &mut impl Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(generator, last + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_threads_gives_the_same_bytes() {
        let filled = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut elements = vec![0_u32; 3 * BLOCK_ELEMENTS + 5];
            let mut rows = elements.clone();
            pool.install(|| {
                fill(&mut elements, Seed::root(1), |generator, _| generator.next_u32());
                fill_rows(&mut rows, 3, Seed::root(1), |generator, row| row.fill_with(|| generator.next_u32()));
            });
            (elements, rows)
        };
        assert_eq!(filled(1), filled(3));
    }

    #[test]
    fn a_shuffle_loses_nothing() {
        let mut items: Vec<_> = (0..100).collect();
        shuffle(&mut items, &mut Seed::root(3).generator());
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
