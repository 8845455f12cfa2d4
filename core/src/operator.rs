//! What an operator is: one record from which every suite follows.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    cpu::CpuOptions,
    distribution::Distribution,
    dtype::DType,
    operators::Definition,
    parameters::{InvalidParameter, ParameterSpec, Parameters},
    random::Seed,
    reference::Reference,
    tensor::{HostTensor, TensorSpec},
};

/// An operator: its name, what it takes, and how to make a concrete problem of it.
///
/// Registering an operator gives it every suite that its problems support, with no further code.
pub trait Operator: Send + Sync {
    /// The name used in the matrix and in cell names.
    fn name(&self) -> &str;

    /// One sentence on what it computes, with its shapes.
    fn summary(&self) -> &str;

    /// The element types that its data may have.
    fn dtypes(&self) -> &[DType];

    /// The arguments that [`Operator::problem`] takes.
    fn parameters(&self) -> &[ParameterSpec];

    /// The distributions from which inputs can be generated.
    fn distributions(&self) -> &[Distribution];

    /// The names of the CUDA kernels that its calls may launch; none if they are not known, and then a budget may name
    /// any.
    fn kernels(&self) -> Vec<&str> {
        Vec::new()
    }

    /// A concrete problem, checked against every rule that does not depend on data.
    fn problem(&self, dtype: DType, parameters: &Parameters) -> Result<Box<dyn Problem>, InvalidParameter>;
}

/// One operator at one dtype and one set of arguments: everything but the data.
pub trait Problem: Send + Sync {
    /// The part of a cell's name that stands for the arguments, such as `b1024_s500_d256_t256`.
    fn name(&self) -> String;

    /// The inputs, in the order in which all other methods take them.
    fn inputs(&self) -> Vec<TensorSpec>;

    /// The outputs, in the order in which all other methods give them.
    fn outputs(&self) -> Vec<TensorSpec>;

    /// Inputs drawn from `distribution`; `seed` alone decides every byte, on every machine.
    fn generate(&self, distribution: Distribution, seed: Seed) -> Vec<HostTensor>;

    /// Checks the rules that depend on data, such as times in order.
    fn check(&self, inputs: &[HostTensor]) -> Result<(), InvalidInput>;

    /// What the outputs must be. It shares no code with any implementation.
    fn reference(&self, inputs: &[HostTensor]) -> Reference;

    /// Computes the outputs on the CPU. The result may not depend on `options`.
    fn run_cpu(&self, inputs: &[HostTensor], outputs: &mut [HostTensor], options: CpuOptions) -> Result<(), RunError>;

    /// Whether [`Problem::run_cpu`] obeys its options. One that cannot is never said to have been run with others.
    fn obeys_cpu_options(&self) -> bool {
        true
    }

    /// The CUDA implementation, if there is one.
    fn cuda(&self) -> Option<&dyn crate::cuda::CudaProblem> {
        None
    }

    /// The problem as data, if it is one of this crate's: a shared library can then implement it.
    fn definition(&self) -> Option<Definition<'_>> {
        None
    }

    /// The same problem as this program implements it, where somebody else's implementation stands in its place.
    fn builtin(&self) -> Option<&dyn Problem> {
        None
    }

    /// The fewest bytes that must cross the memory bus for these inputs: each row touched is read once, each output
    /// written once. The roofline floor is this over the machine's copy bandwidth.
    fn bytes_moved(&self, inputs: &[HostTensor]) -> u64;

    /// Relations between outputs of related problems that hold bit for bit.
    fn relations(&self) -> Vec<Box<dyn Relation + '_>> {
        Vec::new()
    }
}

/// Runs a problem on the device under test and brings its outputs to the host.
pub type RunProblem<'a> = &'a mut dyn FnMut(&dyn Problem, &[HostTensor]) -> Result<Vec<HostTensor>, RunError>;

/// A metamorphic relation: the inputs are changed in a way that changes the outputs predictably.
///
/// Permuting the points of a cloud, for example, must change nothing; `fuse` must equal the concatenation of `resample`.
pub trait Relation: Send + Sync {
    /// The name that verdicts use, such as `permuted_points`.
    fn name(&self) -> &'static str;

    /// Runs one or more related problems through `run` and makes of their outputs what those of the original inputs
    /// must be, bit for bit.
    fn follow_up(&self, inputs: &[HostTensor], seed: Seed, run: RunProblem<'_>) -> Result<Vec<HostTensor>, RunError>;
}

/// Data that breaks a rule of its operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("`{tensor}`{}: {value}, but {rule}", Place(.index))]
pub struct InvalidInput {
    /// The input's name.
    pub tensor: String,
    /// The coordinates of the first offending element, empty if it is the whole tensor.
    pub index: Vec<usize>,
    /// What was found there.
    pub value: String,
    /// The rule that it breaks.
    pub rule: String,
}

struct Place<'a>(&'a [usize]);

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(formatter, " at {:?}", self.0) }
    }
}

/// Why an operator gave no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The data breaks a rule.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// A tensor has another dtype or shape than the problem says.
    #[error("`{tensor}` is {actual}, but the problem takes {expected}")]
    Mismatch {
        /// The tensor's name.
        tensor: String,
        /// Dtype and shape that the problem says.
        expected: String,
        /// Dtype and shape that were passed.
        actual: String,
    },
    /// The GPU or its driver refused.
    #[error(transparent)]
    Cuda(#[from] crate::cuda::CudaError),
    /// Any other failure of the implementation under test.
    #[error("{0}")]
    Other(String),
}

/// Fails unless `tensors` are exactly what `specs` says, in number, dtype and shape.
pub fn check_tensors(specs: &[TensorSpec], tensors: &[HostTensor]) -> Result<(), RunError> {
    let described = |spec: &TensorSpec| format!("{}{}", spec.dtype, spec.shape);
    if specs.len() != tensors.len() {
        return Err(RunError::Other(format!(
            "{} tensors were passed, but the problem takes {}",
            tensors.len(),
            specs.len()
        )));
    }
    for (spec, tensor) in specs.iter().zip(tensors) {
        if (spec.dtype, &spec.shape) != (tensor.dtype(), tensor.shape()) {
            return Err(RunError::Mismatch {
                tensor: spec.name.clone(),
                expected: described(spec),
                actual: described(tensor.spec()),
            });
        }
    }
    Ok(())
}
