//! Data with which every element that a collective gives is known beforehand, exactly.
//!
//! What is only moved is random bits, each its own, so that an element in the wrong place shows. What is reduced is small
//! integers, of which sums and products are exact in every dtype and in any order.

use std::fmt;

use half::{bf16, f16};
use serde::{Deserialize, Serialize};

use super::{Collective, Reduction, Transfer};
use crate::{communicator::CommunicatorError, communicator::Memory, dtype::DType};

/// The largest integer up to which all are exact in bf16, which has the fewest bits, less one.
const EXACT: i64 = 255;

/// How many ranks may contribute a factor that is not 1 or -1: f16 ends at 2^16, and products are to stay far from it.
const RANKS_WITH_FACTORS: usize = 8;

/// What all ranks send and receive in one transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What is done.
    pub collective: Collective,
    /// The type of the elements.
    pub dtype: DType,
    /// Elements in one block.
    pub block: usize,
    /// The root, where there is one.
    pub root: usize,
    /// How many ranks there are.
    pub world: usize,
    /// Decides all values.
    pub seed: u64,
}

/// Which elements those of one buffer are: of a single rank, of one after the other, or of all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Element `i` is element `first + i` of this rank.
    Rank {
        /// The rank.
        rank: usize,
        /// Its first element.
        first: u64,
    },
    /// Element `i` is element `first + i % block` of rank `i / block`.
    Blocks {
        /// The first element of every rank.
        first: u64,
        /// Elements of each rank, at least 1.
        block: u64,
    },
    /// Element `i` is the reduction of elements `first + i` of all ranks.
    Reduced {
        /// The first element of every rank.
        first: u64,
    },
}

impl Pattern {
    /// The pattern of a transfer.
    pub const fn of(transfer: &Transfer, world: usize, seed: u64) -> Self {
        let Transfer { collective, dtype, block, root, send_offset: _, receive_offset: _ } = *transfer;
        Self { collective, dtype, block, root, world, seed }
    }

    /// Elements in a send buffer.
    pub const fn sent_elements(&self) -> usize {
        self.collective.sent_elements(self.block, self.world)
    }

    /// Elements in a receive buffer.
    pub const fn received_elements(&self) -> usize {
        self.collective.received_elements(self.block, self.world)
    }

    /// What lies in the send buffer of `rank`.
    pub const fn sent(&self, rank: usize) -> Origin {
        Origin::Rank { rank, first: 0 }
    }

    /// What must lie in the receive buffer of `rank`, where it receives anything.
    pub fn received(&self, rank: usize) -> Origin {
        let own_block = (rank * self.block) as u64;
        match self.collective {
            Collective::AllReduce(_) | Collective::Reduce(_) => Origin::Reduced { first: 0 },
            Collective::ReduceScatter(_) => Origin::Reduced { first: own_block },
            Collective::AllGather => Origin::Blocks { first: 0, block: self.block.max(1) as u64 },
            Collective::AllToAll => Origin::Blocks { first: own_block, block: self.block.max(1) as u64 },
            Collective::Broadcast => Origin::Rank { rank: self.root, first: 0 },
            Collective::SendReceive => Origin::Rank { rank: (rank + self.world - 1) % self.world, first: 0 },
        }
    }

    /// The bits of element `index` of a buffer of this origin, in the low bytes.
    pub fn bits(&self, origin: Origin, index: u64) -> u64 {
        match origin {
            Origin::Rank { rank, first } => self.element(rank, first + index),
            Origin::Blocks { first, block } => self.element((index / block) as usize, first + index % block),
            Origin::Reduced { first } => encode(self.dtype, self.reduced(first + index)),
        }
    }

    fn element(&self, rank: usize, index: u64) -> u64 {
        match self.collective.reduction() {
            Some(reduction) => encode(self.dtype, self.contribution(reduction, rank, index)),
            None => self.noise(rank, index) & mask(self.dtype),
        }
    }

    fn reduced(&self, index: u64) -> i64 {
        let reduction = self.collective.reduction().unwrap_or(Reduction::Sum);
        let contributions = (0..self.world).map(|rank| self.contribution(reduction, rank, index));
        match reduction {
            Reduction::Sum => contributions.sum(),
            Reduction::Prod => contributions.product(),
            Reduction::Min => contributions.min().unwrap_or(0),
            Reduction::Max => contributions.max().unwrap_or(0),
            Reduction::Avg => contributions.sum::<i64>() / self.world as i64,
        }
    }

    /// What a rank contributes to a reduction, as an integer.
    fn contribution(&self, reduction: Reduction, rank: usize, index: u64) -> i64 {
        let noise = self.noise(rank, index);
        let within = |limit: i64| (noise % (2 * limit as u64 + 1)) as i64 - limit;
        let world = self.world as i64;
        match reduction {
            // No partial sum leaves the integers that bf16 has.
            Reduction::Sum => within((EXACT / world).clamp(1, 7)),
            Reduction::Prod => {
                let magnitude = if noise & 2 != 0 && rank < RANKS_WITH_FACTORS { 2 } else { 1 };
                if noise & 1 != 0 { -magnitude } else { magnitude }
            }
            Reduction::Min | Reduction::Max => within(EXACT / 2),
            // NCCL multiplies each contribution with the rounded reciprocal of the number of ranks, and adds the products
            // without rounding them first. That is exact where the reciprocal is, and else where a single rank contributes: a
            // share of 9 then comes out of it in every dtype for up to 16 ranks, though not one of 3 (a test below).
            Reduction::Avg => {
                let contributes =
                    self.world.is_power_of_two() || self.noise(self.world, index) % self.world as u64 == rank as u64;
                if contributes { world * [0, 9, -9][(noise % 3) as usize] } else { 0 }
            }
        }
    }

    /// Random bits of a place: the finaliser of MurmurHash3 over seed, rank and index.
    fn noise(&self, rank: usize, index: u64) -> u64 {
        let mut bits = self.seed ^ index.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (rank as u64 + 1) << 40;
        bits ^= bits >> 33;
        bits = bits.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        bits ^= bits >> 33;
        bits = bits.wrapping_mul(0xC4CE_B9FE_1A85_EC53);
        bits ^ bits >> 33
    }
}

/// The bits of a small integer in a dtype, exactly.
fn encode(dtype: DType, value: i64) -> u64 {
    match dtype {
        DType::F32 => (value as f32).to_bits().into(),
        DType::F16 => f16::from_f32(value as f32).to_bits().into(),
        DType::Bf16 => bf16::from_f32(value as f32).to_bits().into(),
        DType::I32 => u64::from(value as i32 as u32),
        DType::I64 => value as u64,
    }
}

const fn mask(dtype: DType) -> u64 {
    u64::MAX >> (64 - 8 * dtype.size_bytes())
}

/// The first element that is not what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// Its index in the buffer.
    pub index: u64,
    /// Its type.
    pub dtype: DType,
    /// The bits that it must have, in the low bytes.
    pub expected: u64,
    /// The bits that it has.
    pub actual: u64,
    /// How many elements of the buffer are wrong.
    pub differing: u64,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, dtype, expected, actual, differing } = *self;
        let digits = 2 * dtype.size_bytes();
        let value = |bits: u64| match dtype {
            DType::F32 => f32::from_bits(bits as u32).to_string(),
            DType::F16 => f16::from_bits(bits as u16).to_string(),
            DType::Bf16 => bf16::from_bits(bits as u16).to_string(),
            DType::I32 => (bits as i32).to_string(),
            DType::I64 => (bits as i64).to_string(),
        };
        let (is, must_be) = (value(actual), value(expected));
        write!(
            formatter,
            "element {index} is {is} (0x{actual:0digits$x}), must be {must_be} (0x{expected:0digits$x}); \
             {differing} elements differ"
        )
    }
}

/// Memory in which patterns are written and checked where it lies.
pub trait Patterned: Memory {
    /// Writes the elements of a pattern to `offset`, and waits for it.
    ///
    /// # Panics
    /// If they do not fit there, or if `offset` is no multiple of the element's size.
    fn fill(
        &mut self,
        offset: usize,
        elements: usize,
        pattern: &Pattern,
        origin: Origin,
    ) -> Result<(), CommunicatorError>;

    /// Writes `byte` to a stretch of memory, and waits for it.
    ///
    /// # Panics
    /// If it reaches past the end.
    fn poison(&mut self, offset: usize, bytes: usize, byte: u8) -> Result<(), CommunicatorError>;

    /// Compares every element at `offset` with a pattern: the first that differs, if any does.
    ///
    /// # Panics
    /// As [`Patterned::fill`].
    fn check(
        &self,
        offset: usize,
        elements: usize,
        pattern: &Pattern,
        origin: Origin,
    ) -> Result<Option<Mismatch>, CommunicatorError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(collective: Collective, dtype: DType, world: usize) -> Pattern {
        Pattern { collective, dtype, block: 3, root: world - 1, world, seed: 1 }
    }

    /// The value of the bits, exactly.
    fn decode(dtype: DType, bits: u64) -> f64 {
        match dtype {
            DType::F32 => f32::from_bits(bits as u32).into(),
            DType::F16 => f16::from_bits(bits as u16).into(),
            DType::Bf16 => bf16::from_bits(bits as u16).into(),
            DType::I32 => (bits as i32).into(),
            DType::I64 => bits as i64 as f64,
        }
    }

    #[test]
    fn reductions_are_exact_in_every_dtype_in_any_order() {
        for dtype in DType::ALL {
            for world in 1..=16 {
                for reduction in Reduction::ALL {
                    let pattern = pattern(Collective::AllReduce(reduction), dtype, world);
                    for index in 0..200 {
                        let sent = |rank| decode(dtype, pattern.bits(pattern.sent(rank), index));
                        let partial: Vec<f64> = (0..world).map(sent).collect();
                        let expected = match reduction {
                            Reduction::Sum => partial.iter().sum(),
                            Reduction::Prod => partial.iter().product(),
                            Reduction::Min => partial.iter().copied().fold(f64::INFINITY, f64::min),
                            Reduction::Max => partial.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                            Reduction::Avg => partial.iter().sum::<f64>() / world as f64,
                        };
                        assert_eq!(decode(dtype, pattern.bits(pattern.received(0), index)), expected);
                        if reduction == Reduction::Sum {
                            assert!(partial.iter().map(|value| value.abs()).sum::<f64>() <= 256.0);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_share_of_an_average_is_exact_with_a_rounded_reciprocal() {
        for world in 1..=16 {
            let pattern = |dtype| pattern(Collective::AllReduce(Reduction::Avg), dtype, world);
            for index in 0..500 {
                let value =
                    |dtype| decode(dtype, pattern(dtype).bits(Origin::Rank { rank: 0, first: 0 }, index)) as f32;
                let share = value(DType::F32) / world as f32;
                assert_eq!(value(DType::F32) * (1.0 / world as f32), share, "{world}");
                assert_eq!(f16::from_f32(value(DType::F16)) * f16::from_f32(1.0 / world as f32), f16::from_f32(share));
                let reciprocal = bf16::from_f32(1.0 / world as f32);
                assert_eq!(bf16::from_f32(value(DType::Bf16)) * reciprocal, bf16::from_f32(share), "{world}");
            }
        }
    }

    #[test]
    fn an_average_is_exact_where_products_are_added_without_being_rounded() {
        for world in 1..=16 {
            let pattern = pattern(Collective::AllReduce(Reduction::Avg), DType::F32, world);
            let mut contributors = vec![false; world];
            for index in 0..500 {
                let sent = |rank| f32::from_bits(pattern.bits(pattern.sent(rank), index) as u32);
                let average = (0..world).fold(0.0, |sum, rank| sent(rank).mul_add(1.0 / world as f32, sum));
                assert_eq!(average, f32::from_bits(pattern.bits(pattern.received(0), index) as u32), "{world}");
                contributors.iter_mut().enumerate().for_each(|(rank, is_one)| *is_one |= sent(rank) != 0.0);
            }
            assert!(contributors.iter().all(|is_one| *is_one), "{world}: {contributors:?}");
        }
    }

    #[test]
    fn what_is_moved_says_whence_it_came() {
        let bits = |collective, rank, index| {
            let pattern = pattern(collective, DType::I64, 4);
            pattern.bits(pattern.received(rank), index)
        };
        let sent =
            |rank, index| pattern(Collective::AllGather, DType::I64, 4).bits(Origin::Rank { rank, first: 0 }, index);
        assert_eq!(bits(Collective::AllGather, 0, 3 + 2), sent(1, 2));
        assert_eq!(bits(Collective::AllToAll, 2, 3 + 1), sent(1, 2 * 3 + 1));
        assert_eq!(bits(Collective::Broadcast, 1, 2), sent(3, 2));
        assert_eq!(bits(Collective::SendReceive, 0, 2), sent(3, 2));
        assert_ne!(sent(0, 1), sent(1, 0));
    }

    #[test]
    fn a_mismatch_shows_values_and_bits() {
        let mismatch = Mismatch { index: 5, dtype: DType::Bf16, expected: 0x4000, actual: 0xBF80, differing: 2 };
        assert_eq!(mismatch.to_string(), "element 5 is -1 (0xbf80), must be 2 (0x4000); 2 elements differ");
    }
}
