//! What became of a golden: facts of the backward_compat suite.

use robocache_core::{compare::Comparison, tensor::GuardViolation};
use serde::{Deserialize, Serialize};

use super::disturbances;

/// A golden's results now, beside those of its release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GoldenFacts {
    /// Output elements that were compared.
    pub elements: u64,
    /// Why the golden means nothing to the operator any more, such as an argument that it does not take; nothing was
    /// run then.
    pub incompatible: Option<String>,
    /// Outputs whose bits are not those of the release, with the first differing element of each.
    pub differences: Vec<Comparison>,
    /// Inputs of which the generator makes others than it did for the release, from the same seed. The operator was fed
    /// those of the release all the same.
    pub regenerated_otherwise: Vec<String>,
    /// Bytes beside a tensor that were overwritten.
    pub guard_violation: Option<GuardViolation>,
    /// An input that was changed.
    pub mutated_input: Option<String>,
}

impl GoldenFacts {
    /// Whether everything is as in the release.
    pub fn is_unchanged(&self) -> bool {
        self.defects().is_empty() && self.differences.is_empty() && self.regenerated_otherwise.is_empty()
    }

    /// What no approval covers, one sentence each.
    pub fn defects(&self) -> Vec<String> {
        let incompatible = self.incompatible.iter().map(|reason| format!("no longer accepted: {reason}"));
        incompatible.chain(disturbances(self.guard_violation.as_ref(), self.mutated_input.as_ref())).collect()
    }

    /// How the results differ from those of the release, one sentence each.
    pub fn changed_results(&self) -> Vec<String> {
        self.differences.iter().map(Comparison::to_string).collect()
    }

    /// How the generated inputs differ from those of the release, one sentence each.
    pub fn changed_inputs(&self) -> Vec<String> {
        let inputs = self.regenerated_otherwise.iter();
        inputs.map(|input| format!("the generator gives another `{input}` for the same seed")).collect()
    }
}
