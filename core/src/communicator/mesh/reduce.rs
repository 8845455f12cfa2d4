//! Reductions in the order of ranks.

use half::{bf16, f16};

use crate::{
    collective::Reduction,
    dtype::{DType, Element, Float},
};

/// Reduces the contributions of all ranks, in their order, into `result`.
///
/// Every addition and multiplication is done in the dtype: floating-point ones round once each (half types through f32,
/// in which sums and products of two of them need no second rounding that could show: f32 has more than twice their bits
/// and two), integers wrap. An average is the sum over the number of ranks; of integers, rounded towards zero. Where a
/// floating-point contribution is NaN, the result is the canonical NaN, for the smallest and largest too; of zeros of
/// both signs these keep that of the lower rank.
pub(super) fn reduce(dtype: DType, reduction: Reduction, contributions: &[&[u8]], result: &mut [u8]) {
    match dtype {
        DType::F32 => reduce_as::<f32>(reduction, contributions, result),
        DType::F16 => reduce_as::<f16>(reduction, contributions, result),
        DType::Bf16 => reduce_as::<bf16>(reduction, contributions, result),
        DType::I32 => reduce_as::<i32>(reduction, contributions, result),
        DType::I64 => reduce_as::<i64>(reduction, contributions, result),
    }
}

fn reduce_as<N: Number>(reduction: Reduction, contributions: &[&[u8]], result: &mut [u8]) {
    let combine = match reduction {
        Reduction::Sum | Reduction::Avg => N::sum,
        Reduction::Prod => N::product,
        Reduction::Min => N::smaller,
        Reduction::Max => N::larger,
    };
    let result: &mut [N] = bytemuck::cast_slice_mut(result);
    let (first, others) = contributions.split_first().expect("there is at least one rank");
    result.copy_from_slice(bytemuck::cast_slice(first));
    for other in others {
        for (partial, &element) in result.iter_mut().zip(bytemuck::cast_slice::<u8, N>(other)) {
            *partial = combine(*partial, element);
        }
    }
    if reduction == Reduction::Avg {
        result.iter_mut().for_each(|sum| *sum = sum.over(contributions.len()));
    }
}

/// What reductions do with two elements.
trait Number: Element {
    fn sum(self, other: Self) -> Self;
    fn product(self, other: Self) -> Self;
    fn smaller(self, other: Self) -> Self;
    fn larger(self, other: Self) -> Self;
    fn over(self, count: usize) -> Self;
}

macro_rules! floats {
    ($($float:ty),*) => {$(
        impl Number for $float {
            fn sum(self, other: Self) -> Self {
                Self::narrow(self.widen() + other.widen())
            }

            fn product(self, other: Self) -> Self {
                Self::narrow(self.widen() * other.widen())
            }

            fn smaller(self, other: Self) -> Self {
                let (own, other) = (self.widen(), other.widen());
                Self::narrow(if other < own || other.is_nan() { other } else { own })
            }

            fn larger(self, other: Self) -> Self {
                let (own, other) = (self.widen(), other.widen());
                Self::narrow(if other > own || other.is_nan() { other } else { own })
            }

            fn over(self, count: usize) -> Self {
                Self::narrow(self.widen() / count as f32)
            }
        }
    )*};
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl Number for $integer {
            fn sum(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            fn product(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }

            fn smaller(self, other: Self) -> Self {
                self.min(other)
            }

            fn larger(self, other: Self) -> Self {
                self.max(other)
            }

            fn over(self, count: usize) -> Self {
                self / count as Self
            }
        }
    )*};
}

floats!(f32, f16, bf16);
integers!(i32, i64);

#[cfg(test)]
mod tests {
    use super::*;

    fn reduced<N: Number>(reduction: Reduction, contributions: &[N]) -> N {
        let bytes: Vec<&[u8]> = contributions.iter().map(bytemuck::bytes_of).collect();
        let mut result = contributions[0];
        reduce(N::DTYPE, reduction, &bytes, bytemuck::bytes_of_mut(&mut result));
        result
    }

    #[test]
    fn sums_round_after_each_rank_in_their_order() {
        // 2048 + 1 is a tie that goes to 2048; 1 + 1 is not lost.
        let half = |values: [f32; 3]| values.map(f16::from_f32);
        assert_eq!(reduced(Reduction::Sum, &half([2048.0, 1.0, 1.0])).to_f32(), 2048.0);
        assert_eq!(reduced(Reduction::Sum, &half([1.0, 1.0, 2048.0])).to_f32(), 2050.0);
        assert_eq!(reduced(Reduction::Sum, &[1e30_f32, -1e30, 1.0]), 1.0);
        assert_eq!(reduced(Reduction::Sum, &[1.0_f32, 1e30, -1e30]), 0.0);
    }

    #[test]
    fn integers_wrap_and_averages_round_towards_zero() {
        assert_eq!(reduced(Reduction::Sum, &[i32::MAX, 2]), i32::MIN + 1);
        assert_eq!(reduced(Reduction::Prod, &[i64::MAX, 2]), -2);
        assert_eq!(reduced(Reduction::Avg, &[-4, -3, 0]), -2);
    }

    #[test]
    fn a_nan_is_never_lost() {
        for reduction in Reduction::ALL {
            for place in 0..3 {
                let mut values = [bf16::ONE; 3];
                values[place] = bf16::from_bits(0xFF81);
                assert_eq!(reduced(reduction, &values).to_bits(), 0x7FC0, "{reduction:?} {place}");
            }
        }
        assert_eq!(reduced(Reduction::Min, &[0.0_f32, -0.0]).to_bits(), 0);
    }
}
