//! Element types of tensors.

use std::{fmt, str::FromStr};

use half::{bf16, f16};
use serde::{Deserialize, Serialize};

/// The type of one element of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// bfloat16: binary32 with a 7-bit fraction.
    Bf16,
    /// Two's complement 32-bit integer.
    I32,
    /// Two's complement 64-bit integer.
    I64,
}

impl DType {
    /// Every element type, in the order in which help texts list them.
    pub const ALL: [Self; 5] = [Self::F32, Self::F16, Self::Bf16, Self::I32, Self::I64];

    /// Size of one element in bytes.
    pub const fn size_bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 | Self::I32 => 4,
            Self::I64 => 8,
        }
    }

    /// The name used in the matrix, in cell names and in kernel symbols.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::I32 => "i32",
            Self::I64 => "i64",
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// A word that names no element type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown dtype `{0}`; expected one of f32, f16, bf16, i32, i64")]
pub struct UnknownDType(pub String);

impl FromStr for DType {
    type Err = UnknownDType;

    fn from_str(word: &str) -> Result<Self, UnknownDType> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == word).ok_or_else(|| UnknownDType(word.to_owned()))
    }
}

/// A Rust type that is the element of a tensor.
pub trait Element: bytemuck::Pod + Send + Sync + PartialEq + fmt::Debug {
    /// The element type that this Rust type stands for.
    const DTYPE: DType;
}

impl Element for f32 {
    const DTYPE: DType = DType::F32;
}
impl Element for f16 {
    const DTYPE: DType = DType::F16;
}
impl Element for bf16 {
    const DTYPE: DType = DType::Bf16;
}
impl Element for i32 {
    const DTYPE: DType = DType::I32;
}
impl Element for i64 {
    const DTYPE: DType = DType::I64;
}

/// A floating-point element: widened to f32 exactly, narrowed with one rounding.
pub trait Float: Element {
    /// The one NaN that results may hold (DESIGN: numerics).
    const CANONICAL_NAN: Self;

    /// The same value in f32; exact, subnormals included.
    fn widen(self) -> f32;

    /// Rounds to nearest, ties to even; every NaN becomes [`Float::CANONICAL_NAN`].
    fn narrow(value: f32) -> Self;

    /// This value, or the canonical NaN if it is a NaN of any payload.
    fn canonical(self) -> Self {
        if self.widen().is_nan() { Self::CANONICAL_NAN } else { self }
    }
}

impl Float for f32 {
    const CANONICAL_NAN: Self = Self::from_bits(0x7FC0_0000);

    fn widen(self) -> f32 {
        self
    }

    fn narrow(value: f32) -> Self {
        value.canonical()
    }
}

impl Float for f16 {
    const CANONICAL_NAN: Self = Self::from_bits(0x7E00);

    fn widen(self) -> f32 {
        self.to_f32()
    }

    fn narrow(value: f32) -> Self {
        if value.is_nan() { Self::CANONICAL_NAN } else { Self::from_f32(value) }
    }
}

impl Float for bf16 {
    const CANONICAL_NAN: Self = Self::from_bits(0x7FC0);

    fn widen(self) -> f32 {
        self.to_f32()
    }

    fn narrow(value: f32) -> Self {
        if value.is_nan() { Self::CANONICAL_NAN } else { Self::from_f32(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_back() {
        for dtype in DType::ALL {
            assert_eq!(dtype.name().parse(), Ok(dtype));
        }
        assert_eq!("f64".parse::<DType>(), Err(UnknownDType("f64".into())));
    }

    #[test]
    fn every_nan_narrows_to_the_canonical_one() {
        for bits in [0x7F80_0001_u32, 0xFFC0_1234, 0x7FFF_FFFF] {
            let nan = f32::from_bits(bits);
            assert_eq!(f32::narrow(nan).to_bits(), 0x7FC0_0000);
            assert_eq!(f16::narrow(nan).to_bits(), 0x7E00);
            assert_eq!(bf16::narrow(nan).to_bits(), 0x7FC0);
        }
    }

    #[test]
    fn halves_survive_the_round_trip_through_f32() {
        for bits in 0..=u16::MAX {
            let value = f16::from_bits(bits);
            assert_eq!(f16::narrow(value.widen()).to_bits(), value.canonical().to_bits());
            let value = bf16::from_bits(bits);
            assert_eq!(bf16::narrow(value.widen()).to_bits(), value.canonical().to_bits());
        }
    }
}
