//! `resample`: values of a sampled stream at other times, by linear interpolation.

mod bound;
mod check;
pub mod cpu;
pub(crate) mod cuda;
mod generate;
mod reference;
mod relations;
mod shape;
pub(crate) mod tiles;
mod weight;

pub use shape::ResampleShape;

pub(crate) use check::{check_source_times, check_target_times};
pub(crate) use generate::{fill_samples, new_filled};
pub(crate) use reference::{Columns, Stream, samples_touched};

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
        times::{Time, TimeKind},
    },
    parameters::{InvalidParameter, ParameterSpec, Parameters},
    random::Seed,
    reference::{Expected, Reference},
    tensor::{HostTensor, TensorSpec},
};

/// The operator's name.
const NAME: &str = "resample";

/// Element types of samples.
pub(crate) const SAMPLE_DTYPES: &[DType] = &[DType::F32, DType::F16, DType::Bf16];

/// Distributions of samples and times.
pub(crate) const DISTRIBUTIONS: &[Distribution] = &[
    Distribution::Uniform,
    Distribution::WideExponents,
    Distribution::CancellingPairs,
    Distribution::IntegerValued,
    Distribution::Midpoints,
    Distribution::SpecialValues,
    Distribution::DuplicatedTimes,
    Distribution::ClusteredTimes,
    Distribution::EpochTimes,
];

/// Linear interpolation of `x[B,S,D]`, sampled at `ts[B,S]`, at the times `tt[B,T]`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resample;

impl Operator for Resample {
    fn name(&self) -> &str {
        NAME
    }

    fn summary(&self) -> &str {
        "x[B,S,D] sampled at ts[B,S], linearly interpolated at tt[B,T] -> y[B,T,D]; clamped at both ends"
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
        Ok(Box::new(ResampleProblem::from_parameters(dtype, parameters)?))
    }
}

/// `resample` at one dtype and shape. Inputs are `x`, `ts`, `tt`; the output is `y`.
#[derive(Clone, Debug)]
pub struct ResampleProblem {
    shape: ResampleShape,
    dtype: DType,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
}

impl ResampleProblem {
    /// The problem of this dtype and shape, if both keep the operator's rules.
    pub fn new(dtype: DType, shape: ResampleShape) -> Result<Self, InvalidParameter> {
        Self::from_parameters(dtype, &shape.parameters())
    }

    fn from_parameters(dtype: DType, parameters: &Parameters) -> Result<Self, InvalidParameter> {
        let arguments = Arguments::new(NAME, shape::PARAMETERS, parameters)?;
        arguments.check_dtype(dtype, SAMPLE_DTYPES)?;
        let shape = ResampleShape::from_parameters(&arguments)?;
        let shape::Tensors { inputs, outputs } = shape.tensors(&arguments, dtype)?;
        Ok(Self { shape, dtype, inputs, outputs })
    }

    /// The extents.
    pub fn shape(&self) -> &ResampleShape {
        &self.shape
    }

    /// The element type of `x` and `y`.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    fn stream<'a>(&self, inputs: &'a [HostTensor]) -> Stream<'a> {
        Stream { shape: self.shape, samples: &inputs[0], times: &inputs[1], targets: &inputs[2] }
    }

    fn run_times<E: Float>(&self, inputs: &[HostTensor], outputs: &mut [HostTensor], options: CpuOptions) {
        match self.shape.times {
            TimeKind::F32Seconds => self.run_typed::<E, f32>(inputs, outputs, options),
            TimeKind::I64Nanoseconds => self.run_typed::<E, i64>(inputs, outputs, options),
        }
    }

    fn run_typed<E: Float, T: Time>(&self, inputs: &[HostTensor], outputs: &mut [HostTensor], options: CpuOptions) {
        cpu::resample::<E, T>(
            &self.shape,
            inputs[0].as_slice(),
            inputs[1].as_slice(),
            inputs[2].as_slice(),
            outputs[0].as_mut_slice(),
            options,
        );
    }
}

impl Problem for ResampleProblem {
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
        check_source_times(&inputs[1], self.shape.times)?;
        check_target_times(&inputs[2], self.shape.times)
    }

    fn reference(&self, inputs: &[HostTensor]) -> Reference {
        let ResampleShape { batch, target, channels, .. } = self.shape;
        let mut columns = Columns::new(batch * target, channels);
        columns.fill(self.stream(inputs), 0);
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
        Some(Definition::Resample(&self.shape, self.dtype))
    }

    /// The samples that targets lie between, with their times; the targets; the output. A search reads other times
    /// as well, but it need not.
    fn bytes_moved(&self, inputs: &[HostTensor]) -> u64 {
        let sample_bytes = self.shape.channels * self.dtype.size_bytes() + self.shape.times.dtype().size_bytes();
        samples_touched(self.stream(inputs)) * sample_bytes as u64
            + (self.inputs[2].bytes() + self.outputs[0].bytes()) as u64
    }

    fn relations(&self) -> Vec<Box<dyn Relation + '_>> {
        vec![Box::new(relations::PermutedTargets(self)), Box::new(relations::SplitBatch(self))]
    }
}
