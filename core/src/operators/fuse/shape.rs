//! Extents of a fuse problem.

use std::fmt::Write;

use crate::{
    dtype::DType,
    operators::{arguments::Arguments, resample::ResampleShape, times::TimeKind},
    parameters::{InvalidParameter, ParameterKind, ParameterSpec},
    tensor::TensorSpec,
};

/// The most streams that one call takes.
pub const MAX_STREAMS: usize = 16;

/// `x_i[B,S_i,D_i], ts_i[B,S_i], tt[B,T] -> y[B,T,sum D_i]`.
///
/// The inputs are, in this order: `tt`, then `x_0, ts_0, x_1, ts_1, ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuseShape {
    /// `B`: independent sequences; may be 0.
    pub batch: usize,
    /// `T`: target times; may be 0.
    pub target: usize,
    /// The streams, in the order of their channels in `y`; between 1 and [`MAX_STREAMS`].
    pub streams: Vec<StreamShape>,
    /// The element type and unit of all times.
    pub times: TimeKind,
}

/// One stream of a fuse problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamShape {
    /// `S_i`: samples; at least 1.
    pub source: usize,
    /// `D_i`: channels; at least 1.
    pub channels: usize,
}

pub(super) const PARAMETERS: &[ParameterSpec] = &[
    ParameterSpec {
        name: "b",
        kind: ParameterKind::Integer { minimum: 0 },
        required: true,
        description: "B: independent sequences.",
    },
    ParameterSpec {
        name: "t",
        kind: ParameterKind::Integer { minimum: 0 },
        required: true,
        description: "T: target times of each sequence, common to all streams.",
    },
    ParameterSpec {
        name: "streams",
        kind: ParameterKind::IntegerPairs,
        required: true,
        description: "[S, D] of each of 1 to 16 streams: its samples and its channels.",
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

impl FuseShape {
    /// The extents that `arguments` say, each within its rule.
    pub(super) fn from_parameters(arguments: &Arguments<'_>) -> Result<Self, InvalidParameter> {
        let pairs = arguments.extent_pairs("streams", MAX_STREAMS)?;
        Ok(Self {
            batch: arguments.extent("b", 0, i64::MAX)?,
            target: arguments.extent("t", 0, i64::MAX)?,
            streams: pairs.into_iter().map(|[source, channels]| StreamShape { source, channels }).collect(),
            times: arguments.times()?,
        })
    }

    /// The tensors, unless one of them cannot be addressed.
    pub(super) fn tensors(&self, arguments: &Arguments<'_>, dtype: DType) -> Result<Tensors, InvalidParameter> {
        let Self { batch, target, .. } = *self;
        let times = self.times.dtype();
        let mut inputs = vec![arguments.tensor("t", "tt", times, [batch, target])?];
        for (number, stream) in self.streams.iter().enumerate() {
            let StreamShape { source, channels } = *stream;
            inputs.push(arguments.tensor("streams", format!("x_{number}"), dtype, [batch, source, channels])?);
            inputs.push(arguments.tensor("streams", format!("ts_{number}"), times, [batch, source])?);
        }
        // The sum of 16 extents below 2^63 can overflow; saturated, it is refused as too large like any other.
        let channels = self.streams.iter().fold(0_usize, |sum, stream| sum.saturating_add(stream.channels));
        Ok(Tensors { inputs, outputs: vec![arguments.tensor("streams", "y", dtype, [batch, target, channels])?] })
    }

    /// `sum D_i`: the channels of `y`.
    pub fn channels(&self) -> usize {
        self.streams.iter().map(|stream| stream.channels).sum()
    }

    /// The resample problem of stream number `stream`.
    pub fn resample(&self, stream: usize) -> ResampleShape {
        let StreamShape { source, channels } = self.streams[stream];
        ResampleShape { batch: self.batch, source, channels, target: self.target, times: self.times }
    }

    /// The part of a cell's name that stands for this shape.
    pub(super) fn name(&self) -> String {
        let mut name = format!("b{}_t{}", self.batch, self.target);
        for StreamShape { source, channels } in &self.streams {
            let _ = write!(name, "_{source}x{channels}");
        }
        let _ = write!(name, "_{}", self.times.dtype());
        name
    }
}
