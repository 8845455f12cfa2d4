//! The operators that a program knows.

use std::sync::Arc;

use crate::operator::Operator;

/// A list of operators with unique names.
#[derive(Clone, Default)]
pub struct Registry(Vec<Arc<dyn Operator>>);

/// Two operators of one name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an operator named `{0}` is registered already")]
pub struct DuplicateOperator(pub String);

impl Registry {
    /// A registry of no operators.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an operator, unless one of its name is there.
    pub fn register(&mut self, operator: impl Operator + 'static) -> Result<(), DuplicateOperator> {
        if self.get(operator.name()).is_some() {
            return Err(DuplicateOperator(operator.name().to_owned()));
        }
        self.0.push(Arc::new(operator));
        Ok(())
    }

    /// The operator of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Operator>> {
        self.0.iter().find(|operator| operator.name() == name)
    }

    /// All operators, in the order of their registration.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Operator>> {
        self.0.iter()
    }
}
