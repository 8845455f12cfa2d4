//! Operators that exist only to be named in matrices: they have rules, but nothing runs them.

use robocache_core::{
    cpu::CpuOptions,
    distribution::Distribution,
    dtype::DType,
    operator::{InvalidInput, Operator, Problem, RunError},
    parameters::{InvalidParameter, ParameterKind, ParameterSpec, Parameters, Value},
    random::Seed,
    reference::Reference,
    registry::Registry,
    tensor::{HostTensor, TensorSpec},
};

/// An operator of any parameters. Its own rules, which no [`ParameterKind`] can say: `n` is at most 1000, and the mode
/// `count` exists for f32 only.
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) parameters: &'static [ParameterSpec],
    pub(crate) distributions: &'static [Distribution],
    /// None if they are not known.
    pub(crate) kernels: &'static [&'static str],
}

/// A problem of [`Named`].
struct NamedProblem(String);

impl Operator for Named {
    fn name(&self) -> &str {
        self.name
    }

    fn summary(&self) -> &str {
        "Is named in matrices."
    }

    fn dtypes(&self) -> &[DType] {
        &[DType::F32, DType::F16]
    }

    fn parameters(&self) -> &[ParameterSpec] {
        self.parameters
    }

    fn distributions(&self) -> &[Distribution] {
        self.distributions
    }

    fn kernels(&self) -> Vec<&str> {
        self.kernels.to_vec()
    }

    fn problem(&self, dtype: DType, parameters: &Parameters) -> Result<Box<dyn Problem>, InvalidParameter> {
        let invalid = |argument: &str, value: String, rule: &str| InvalidParameter {
            operator: self.name.to_owned(),
            argument: argument.to_owned(),
            value,
            rule: rule.to_owned(),
        };
        if let Some(spec) = self.parameters.iter().find(|spec| spec.required && parameters.get(spec.name).is_none()) {
            return Err(invalid(spec.name, "missing".to_owned(), "it is required"));
        }
        match parameters.get("n") {
            Some(Value::Integer(n)) if *n > 1000 => return Err(invalid("n", n.to_string(), "may be at most 1000")),
            Some(_) | None => {}
        }
        if parameters.get("mode") == Some(&Value::Word("count".to_owned())) && dtype != DType::F32 {
            return Err(invalid("dtype", dtype.to_string(), "count takes no features, and points are f32"));
        }
        let parts: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}{value}")).collect();
        Ok(Box::new(NamedProblem(parts.join("_"))))
    }
}

impl Problem for NamedProblem {
    fn name(&self) -> String {
        self.0.clone()
    }

    fn inputs(&self) -> Vec<TensorSpec> {
        Vec::new()
    }

    fn outputs(&self) -> Vec<TensorSpec> {
        Vec::new()
    }

    fn generate(&self, _: Distribution, _: Seed) -> Vec<HostTensor> {
        Vec::new()
    }

    fn check(&self, _: &[HostTensor]) -> Result<(), InvalidInput> {
        Ok(())
    }

    fn reference(&self, _: &[HostTensor]) -> Reference {
        Reference { outputs: Vec::new() }
    }

    fn run_cpu(&self, _: &[HostTensor], _: &mut [HostTensor], _: CpuOptions) -> Result<(), RunError> {
        Err(RunError::Other("it is only named".to_owned()))
    }

    fn bytes_moved(&self, _: &[HostTensor]) -> u64 {
        0
    }
}

const fn parameter(name: &'static str, kind: ParameterKind, required: bool) -> ParameterSpec {
    ParameterSpec { name, kind, required, description: "One sentence on the argument." }
}

/// An operator with an argument of every kind.
const SCATTER: Named = Named {
    name: "scatter",
    parameters: &[
        parameter("n", ParameterKind::Integer { minimum: 0 }, true),
        parameter("mode", ParameterKind::Word(&["count", "mean"]), true),
        parameter("size", ParameterKind::Number, false),
        parameter("grid", ParameterKind::Integers { length: 3 }, false),
        parameter("origin", ParameterKind::Numbers { length: 3 }, false),
        parameter("streams", ParameterKind::IntegerPairs, false),
    ],
    distributions: &[Distribution::Uniform, Distribution::OneVoxel],
    kernels: &["scatter_count", "scatter_mean_f32", "scatter_mean_f16"],
};

/// An operator with hardly any.
const SCALE: Named = Named {
    name: "scale",
    parameters: &[
        parameter("n", ParameterKind::Integer { minimum: 0 }, true),
        parameter("times", ParameterKind::Word(&["f32", "i64"]), false),
    ],
    distributions: &[Distribution::Uniform, Distribution::EpochTimes],
    kernels: &[],
};

/// Both of them.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.register(SCATTER).expect("the first operator");
    registry.register(SCALE).expect("an operator of another name");
    registry
}
