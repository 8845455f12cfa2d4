//! `fuse`: several streams resampled onto one timeline, side by side.

pub mod cpu;
mod cuda;
mod generate;
mod relations;
mod shape;

pub use shape::{FuseShape, MAX_STREAMS, StreamShape};

use half::{bf16, f16};
use robocache_kernels::symbols;

use crate::{
    cpu::CpuOptions,
    cuda::CudaProblem,
    distribution::Distribution,
    dtype::{DType, Float},
    operator::{InvalidInput, Operator, Problem, Relation, RunError, check_tensors},
    operators::{
        Definition,
        arguments::Arguments,
        resample::{
            Columns, DISTRIBUTIONS, SAMPLE_DTYPES, Stream, check_source_times, check_target_times, samples_touched,
        },
        times::{Time, TimeKind},
    },
    parameters::{InvalidParameter, ParameterSpec, Parameters},
    random::Seed,
    reference::{Expected, Reference},
    tensor::{HostTensor, TensorSpec},
};

/// The operator's name.
const NAME: &str = "fuse";

/// Up to 16 streams `x_i[B,S_i,D_i]`, sampled at `ts_i[B,S_i]`, interpolated at the common times `tt[B,T]`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fuse;

impl Operator for Fuse {
    fn name(&self) -> &str {
        NAME
    }

    fn summary(&self) -> &str {
        "up to 16 streams x_i[B,S_i,D_i] at ts_i[B,S_i], resampled at tt[B,T] and concatenated -> y[B,T,sum D_i]"
    }

    fn dtypes(&self) -> &[DType] {
        SAMPLE_DTYPES
    }

    fn parameters(&self) -> &[ParameterSpec] {
        shape::PARAMETERS
    }

    fn distributions(&self) -> &[Distribution] {
        DISTRIBUTIONS
    }

    fn kernels(&self) -> Vec<&str> {
        symbols::of(NAME).collect()
    }

    fn problem(&self, dtype: DType, parameters: &Parameters) -> Result<Box<dyn Problem>, InvalidParameter> {
        Ok(Box::new(FuseProblem::from_parameters(dtype, parameters)?))
    }
}

/// `fuse` at one dtype and shape. Inputs are `tt`, then `x_0`, `ts_0`, `x_1`, `ts_1` and so on; the output is `y`.
#[derive(Clone, Debug)]
pub struct FuseProblem {
    shape: FuseShape,
    dtype: DType,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
}

impl FuseProblem {
    fn from_parameters(dtype: DType, parameters: &Parameters) -> Result<Self, InvalidParameter> {
        let arguments = Arguments::new(NAME, shape::PARAMETERS, parameters)?;
        arguments.check_dtype(dtype, SAMPLE_DTYPES)?;
        let shape = FuseShape::from_parameters(&arguments)?;
        let shape::Tensors { inputs, outputs } = shape.tensors(&arguments, dtype)?;
        Ok(Self { shape, dtype, inputs, outputs })
    }

    /// The extents.
    pub fn shape(&self) -> &FuseShape {
        &self.shape
    }

    /// The element type of all `x_i` and of `y`.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The streams, each with the common targets.
    fn streams<'a>(&'a self, inputs: &'a [HostTensor]) -> impl Iterator<Item = Stream<'a>> {
        let (targets, streams) = (&inputs[0], &inputs[1..]);
        streams.chunks_exact(2).enumerate().map(move |(number, stream)| Stream {
            shape: self.shape.resample(number),
            samples: &stream[0],
            times: &stream[1],
            targets,
        })
    }

    fn run_times<E: Float>(&self, inputs: &[HostTensor], outputs: &mut [HostTensor], options: CpuOptions) {
        match self.shape.times {
            TimeKind::F32Seconds => self.run_typed::<E, f32>(inputs, outputs, options),
            TimeKind::I64Nanoseconds => self.run_typed::<E, i64>(inputs, outputs, options),
        }
    }

    fn run_typed<E: Float, T: Time>(&self, inputs: &[HostTensor], outputs: &mut [HostTensor], options: CpuOptions) {
        let streams: Vec<_> = self
            .streams(inputs)
            .map(|stream| cpu::Stream::<E, T> { x: stream.samples.as_slice(), ts: stream.times.as_slice() })
            .collect();
        cpu::fuse(&self.shape, &streams, inputs[0].as_slice(), outputs[0].as_mut_slice(), options);
    }
}

impl Problem for FuseProblem {
    fn name(&self) -> String {
        self.shape.name()
    }

    fn inputs(&self) -> Vec<TensorSpec> {
        self.inputs.clone()
    }

    fn outputs(&self) -> Vec<TensorSpec> {
        self.outputs.clone()
    }

    fn generate(&self, distribution: Distribution, seed: Seed) -> Vec<HostTensor> {
        generate::generate(self, distribution, seed)
    }

    fn check(&self, inputs: &[HostTensor]) -> Result<(), InvalidInput> {
        check_target_times(&inputs[0], self.shape.times)?;
        self.streams(inputs).try_for_each(|stream| check_source_times(stream.times, self.shape.times))
    }

    fn reference(&self, inputs: &[HostTensor]) -> Reference {
        let mut columns = Columns::new(self.shape.batch * self.shape.target, self.shape.channels());
        let mut first = 0;
        for stream in self.streams(inputs) {
            columns.fill(stream, first);
            first += stream.shape.channels;
        }
        Reference { outputs: vec![Expected::Within(columns.finish())] }
    }

    fn run_cpu(&self, inputs: &[HostTensor], outputs: &mut [HostTensor], options: CpuOptions) -> Result<(), RunError> {
        check_tensors(&self.inputs, inputs)?;
        check_tensors(&self.outputs, outputs)?;
        match self.dtype {
            DType::F32 => self.run_times::<f32>(inputs, outputs, options),
            DType::F16 => self.run_times::<f16>(inputs, outputs, options),
            DType::Bf16 => self.run_times::<bf16>(inputs, outputs, options),
            DType::I32 | DType::I64 => unreachable!("refused when the problem was made"),
        }
        Ok(())
    }

    fn cuda(&self) -> Option<&dyn CudaProblem> {
        Some(self)
    }

    fn definition(&self) -> Option<Definition<'_>> {
        Some(Definition::Fuse(&self.shape, self.dtype))
    }

    /// As of `resample`, with the targets read once for all streams.
    fn bytes_moved(&self, inputs: &[HostTensor]) -> u64 {
        let samples = self.streams(inputs).map(|stream| {
            let sample_bytes = stream.shape.channels * self.dtype.size_bytes() + self.shape.times.dtype().size_bytes();
            samples_touched(stream) * sample_bytes as u64
        });
        samples.sum::<u64>() + (self.inputs[0].bytes() + self.outputs[0].bytes()) as u64
    }

    fn relations(&self) -> Vec<Box<dyn Relation + '_>> {
        vec![Box::new(relations::ConcatenatedResamples(self))]
    }
}
