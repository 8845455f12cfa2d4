//! Extents of a resample problem.

use crate::{
    dtype::DType,
    operators::{arguments::Arguments, times::TimeKind},
    parameters::{InvalidParameter, ParameterKind, ParameterSpec, Parameters},
    tensor::TensorSpec,
};

/// `x[B,S,D], ts[B,S], tt[B,T] -> y[B,T,D]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResampleShape {
    /// `B`: independent sequences; may be 0.
    pub batch: usize,
    /// `S`: samples of each sequence; at least 1.
    pub source: usize,
    /// `D`: channels of each sample; at least 1.
    pub channels: usize,
    /// `T`: target times of each sequence; may be 0.
    pub target: usize,
    /// The element type and unit of `ts` and `tt`.
    pub times: TimeKind,
}

pub(super) const PARAMETERS: &[ParameterSpec] = &[
    ParameterSpec {
        name: "b",
        kind: ParameterKind::Integer { minimum: 0 },
        required: true,
        description: "B: independent sequences.",
    },
    ParameterSpec {
        name: "s",
        kind: ParameterKind::Integer { minimum: 1 },
        required: true,
        description: "S: samples of each sequence.",
    },
    ParameterSpec {
        name: "d",
        kind: ParameterKind::Integer { minimum: 1 },
        required: true,
        description: "D: channels of each sample.",
    },
    ParameterSpec {
        name: "t",
        kind: ParameterKind::Integer { minimum: 0 },
        required: true,
        description: "T: target times of each sequence.",
    },
    ParameterSpec {
        name: "times",
        kind: ParameterKind::Word(TimeKind::WORDS),
        required: false,
        description: "Times in seconds as f32 or in nanoseconds as i64; f32 by default.",
    },
];

/// Inputs and outputs of one problem, in its order.
pub(super) struct Tensors {
    pub(super) inputs: Vec<TensorSpec>,
    pub(super) outputs: Vec<TensorSpec>,
}

impl ResampleShape {
    /// The extents that `parameters` say, each within its rule.
    pub(super) fn from_parameters(arguments: &Arguments<'_>) -> Result<Self, InvalidParameter> {
        Ok(Self {
            batch: arguments.extent("b", 0, i64::MAX)?,
            source: arguments.extent("s", 1, i64::MAX)?,
            channels: arguments.extent("d", 1, i64::MAX)?,
            target: arguments.extent("t", 0, i64::MAX)?,
            times: arguments.times()?,
        })
    }

    /// The tensors, unless one of them cannot be addressed.
    pub(super) fn tensors(&self, arguments: &Arguments<'_>, dtype: DType) -> Result<Tensors, InvalidParameter> {
        let Self { batch, source, channels, target, times } = *self;
        Ok(Tensors {
            inputs: vec![
                arguments.tensor("s", "x", dtype, [batch, source, channels])?,
                arguments.tensor("s", "ts", times.dtype(), [batch, source])?,
                arguments.tensor("t", "tt", times.dtype(), [batch, target])?,
            ],
            outputs: vec![arguments.tensor("t", "y", dtype, [batch, target, channels])?],
        })
    }

    /// The arguments from which a problem of this shape is made.
    pub fn parameters(&self) -> Parameters {
        use crate::parameters::Value;
        // Extents come from the matrix or from a valid problem: they fit an i64.
        let integer = |extent: usize| Value::Integer(extent as i64);
        Parameters::new([
            ("b".to_owned(), integer(self.batch)),
            ("s".to_owned(), integer(self.source)),
            ("d".to_owned(), integer(self.channels)),
            ("t".to_owned(), integer(self.target)),
            ("times".to_owned(), Value::Word(self.times.dtype().name().to_owned())),
        ])
    }

    /// The part of a cell's name that stands for this shape.
    pub(super) fn name(&self) -> String {
        let Self { batch, source, channels, target, times } = self;
        format!("b{batch}_s{source}_d{channels}_t{target}_{}", times.dtype())
    }
}
