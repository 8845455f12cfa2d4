//! An operator whose implementation is a subject.

use std::sync::Arc;

use super::{Subject, problem::SubjectProblem};
use crate::{
    distribution::Distribution,
    dtype::DType,
    operator::{Operator, Problem},
    parameters::{InvalidParameter, ParameterSpec, Parameters},
    registry::Registry,
};

/// The record of an operator with another implementation.
pub(super) struct SubjectOperator {
    pub(super) record: Arc<dyn Operator>,
    pub(super) subject: &'static Subject,
}

impl Operator for SubjectOperator {
    fn name(&self) -> &str {
        self.record.name()
    }

    fn summary(&self) -> &str {
        self.record.summary()
    }

    fn dtypes(&self) -> &[DType] {
        self.record.dtypes()
    }

    fn parameters(&self) -> &[ParameterSpec] {
        self.record.parameters()
    }

    fn distributions(&self) -> &[Distribution] {
        self.record.distributions()
    }

    /// What the subject does not export stays as it is; nothing but a relation of another operator runs it then.
    fn problem(&self, dtype: DType, parameters: &Parameters) -> Result<Box<dyn Problem>, InvalidParameter> {
        let problem = self.record.problem(dtype, parameters)?;
        let is_exported = problem.definition().is_some_and(|definition| self.subject.exports(definition));
        Ok(if is_exported { Box::new(SubjectProblem::owning(self.subject, problem)) } else { problem })
    }
}

/// The same operators, of whose kernels nothing is known: what plans cells for a subject without loading it.
pub fn with_unknown_kernels(registry: &Registry) -> Registry {
    let mut unknown = Registry::new();
    for operator in registry.iter() {
        unknown.register(UnknownKernels(operator.clone())).expect("their names differed before");
    }
    unknown
}

struct UnknownKernels(Arc<dyn Operator>);

impl Operator for UnknownKernels {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn summary(&self) -> &str {
        self.0.summary()
    }

    fn dtypes(&self) -> &[DType] {
        self.0.dtypes()
    }

    fn parameters(&self) -> &[ParameterSpec] {
        self.0.parameters()
    }

    fn distributions(&self) -> &[Distribution] {
        self.0.distributions()
    }

    fn problem(&self, dtype: DType, parameters: &Parameters) -> Result<Box<dyn Problem>, InvalidParameter> {
        self.0.problem(dtype, parameters)
    }
}
