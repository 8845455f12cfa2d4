//! `voxelize`: points and their features gathered into a dense grid.

pub mod cpu;
mod cuda;
mod generate;
mod mean;
#[cfg(test)]
mod rational;
mod reference;
mod relations;
mod shape;

pub use shape::{VoxelMode, VoxelizeShape};

use half::{bf16, f16};
use robocache_kernels::symbols;

use crate::{
    cpu::CpuOptions,
    cuda::CudaProblem,
    distribution::Distribution,
    dtype::{DType, Float},
    operator::{InvalidInput, Operator, Problem, Relation, RunError, check_tensors},
    operators::{Definition, arguments::Arguments},
    parameters::{InvalidParameter, ParameterSpec, Parameters},
    random::Seed,
    reference::Reference,
    tensor::{HostTensor, TensorSpec},
};

/// The operator's name.
const NAME: &str = "voxelize";

const DISTRIBUTIONS: &[Distribution] = &[
    Distribution::Uniform,
    Distribution::WideExponents,
    Distribution::CancellingPairs,
    Distribution::IntegerValued,
    Distribution::SpecialValues,
    Distribution::ClusteredCloud,
    Distribution::OneVoxel,
    Distribution::OutsideGrid,
];

/// `points[N,3]` and `features[N,F]` gathered into a dense grid.
#[derive(Clone, Copy, Debug, Default)]
pub struct Voxelize;

impl Operator for Voxelize {
    fn name(&self) -> &str {
        NAME
    }

    fn summary(&self) -> &str {
        "points[N,3] into a grid: count or occupancy [X,Y,Z], or mean or max of features[N,F] -> [X,Y,Z,F]; and how \
         many points were dropped"
    }

    /// The dtype of a problem is that of its features. Without features (`count`, `occupancy`) it is f32, that of
    /// the points.
    fn dtypes(&self) -> &[DType] {
        &[DType::F32, DType::F16, DType::Bf16]
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
        let arguments = Arguments::new(NAME, shape::PARAMETERS, parameters)?;
        arguments.check_dtype(dtype, self.dtypes())?;
        let shape = VoxelizeShape::from_parameters(&arguments)?;
        if !shape.mode.takes_features() && dtype != DType::F32 {
            let rule = format!("{} takes no features, and points are f32", shape.mode.name());
            return Err(arguments.invalid("dtype", dtype, rule));
        }
        let shape::Tensors { inputs, outputs } = shape.tensors(&arguments, dtype)?;
        Ok(Box::new(VoxelizeProblem { shape, dtype, inputs, outputs }))
    }
}

/// `voxelize` at one dtype and shape. Inputs are `points` and, for `mean` and `max`, `features`; outputs are `voxels`
/// and `dropped`.
#[derive(Clone, Debug)]
pub struct VoxelizeProblem {
    shape: VoxelizeShape,
    dtype: DType,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
}

impl VoxelizeProblem {
    /// The extents.
    pub fn shape(&self) -> &VoxelizeShape {
        &self.shape
    }

    /// The element type of the features, or f32 where there are none.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Runs on the CPU with features of type `E`, which no mode reads that takes none; gives the number of points dropped.
    fn run_typed<E: Float>(&self, inputs: &[HostTensor], voxels: &mut HostTensor, options: CpuOptions) -> u64 {
        let points = inputs[0].as_slice();
        match self.shape.mode {
            VoxelMode::Count => cpu::count(&self.shape, points, voxels.as_mut_slice(), options),
            VoxelMode::Occupancy => cpu::occupancy(&self.shape, points, voxels.as_mut_slice(), options),
            VoxelMode::Mean => {
                cpu::mean::<E>(&self.shape, points, inputs[1].as_slice(), voxels.as_mut_slice(), options)
            }
            VoxelMode::Max => cpu::max::<E>(&self.shape, points, inputs[1].as_slice(), voxels.as_mut_slice(), options),
        }
    }
}

impl Problem for VoxelizeProblem {
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

    /// Every cloud is legal: points that are not finite are dropped and counted.
    fn check(&self, _inputs: &[HostTensor]) -> Result<(), InvalidInput> {
        Ok(())
    }

    fn reference(&self, inputs: &[HostTensor]) -> Reference {
        reference::reference(self, inputs)
    }

    fn run_cpu(&self, inputs: &[HostTensor], outputs: &mut [HostTensor], options: CpuOptions) -> Result<(), RunError> {
        check_tensors(&self.inputs, inputs)?;
        check_tensors(&self.outputs, outputs)?;
        let (voxels, dropped) = outputs.split_at_mut(1);
        let count = match self.dtype {
            DType::F32 => self.run_typed::<f32>(inputs, &mut voxels[0], options),
            DType::F16 => self.run_typed::<f16>(inputs, &mut voxels[0], options),
            DType::Bf16 => self.run_typed::<bf16>(inputs, &mut voxels[0], options),
            DType::I32 | DType::I64 => unreachable!("refused when the problem was made"),
        };
        // There are at most `i32::MAX` points.
        dropped[0].as_mut_slice::<i64>()[0] = count as i64;
        Ok(())
    }

    fn cuda(&self) -> Option<&dyn CudaProblem> {
        Some(self)
    }

    fn definition(&self) -> Option<Definition<'_>> {
        Some(Definition::Voxelize(&self.shape, self.dtype))
    }

    /// All points, the features of points that are kept, and the outputs.
    fn bytes_moved(&self, inputs: &[HostTensor]) -> u64 {
        let feature_bytes = (self.shape.features * self.dtype.size_bytes()) as u64;
        let outputs: usize = self.outputs.iter().map(TensorSpec::bytes).sum();
        inputs[0].spec().bytes() as u64 + reference::kept(&self.shape, &inputs[0]) * feature_bytes + outputs as u64
    }

    fn relations(&self) -> Vec<Box<dyn Relation + '_>> {
        vec![Box::new(relations::PermutedPoints(self))]
    }
}
