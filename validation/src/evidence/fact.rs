//! What is known of a machine, or why it is not.

use serde::{Deserialize, Serialize};

/// A fact about the machine, or why it could not be had. In JSON, a known fact stands for itself, and a missing one is
/// `{"missing": "why"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Fact<T> {
    /// It is missing. Listed first, because a fact that is a map would swallow it.
    Missing {
        /// Why.
        missing: String,
    },
    /// It is this.
    Known(T),
}

impl<T> Fact<T> {
    /// A fact from a result whose error says why there is none.
    pub fn new<E: ToString>(result: Result<T, E>) -> Self {
        match result {
            Ok(fact) => Self::Known(fact),
            Err(error) => Self::Missing { missing: error.to_string() },
        }
    }

    /// The same fact, expressed otherwise.
    pub fn map<U>(self, express: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Self::Known(fact) => Fact::Known(express(fact)),
            Self::Missing { missing } => Fact::Missing { missing },
        }
    }
}
