//! One problem on one device, held against its reference.

use robocache_core::{
    compare::{Comparison, compare_bits, compare_bounded},
    operator::{Problem, RunError},
    reference::{Expected, Reference},
    session::Variation,
    tensor::HostTensor,
};

use super::{
    device::{POISON, open},
    witness::nearest,
};
use crate::{cell::Device, observation::AccuracyFacts};

/// What was measured, and the tensors behind it.
pub(super) struct Measured {
    pub(super) facts: AccuracyFacts,
    /// The outputs of the first run.
    pub(super) actual: Vec<HostTensor>,
    reference: Reference,
}

impl Measured {
    /// What the outputs must be, each rounded once.
    pub(super) fn into_tensors(self) -> (Vec<HostTensor>, Vec<HostTensor>) {
        let specs = self.actual.iter().map(|output| output.spec().clone()).collect();
        (nearest(self.reference, specs), self.actual)
    }
}

/// Runs a problem twice with different poison, and holds the first run against the reference.
pub(super) fn measure(device: Device, problem: &dyn Problem, inputs: &[HostTensor]) -> Result<Measured, RunError> {
    let mut session = open(device, problem, inputs)?;
    let outcome = session.run(Variation::Plain { poison: POISON })?;
    let other = session.run(Variation::Plain { poison: !POISON })?;
    let reference = problem.reference(inputs);
    let outputs = reference.outputs.iter().zip(&outcome.outputs).map(|(expected, actual)| compare(expected, actual));
    let unwritten = outcome
        .outputs
        .iter()
        .zip(&other.outputs)
        .filter(|(first, second)| first.bytes() != second.bytes())
        .map(|(first, second)| compare_bits(first, second));
    let facts = AccuracyFacts {
        outputs: outputs.collect(),
        exact: reference.outputs.iter().all(is_exact),
        unwritten: unwritten.collect(),
        guard_violation: outcome.guard_violation.or(other.guard_violation),
        mutated_input: outcome.mutated_input.or(other.mutated_input),
        random_problems: 0,
        counterexample: None,
    };
    Ok(Measured { facts, actual: outcome.outputs, reference })
}

fn compare(expected: &Expected, actual: &HostTensor) -> Comparison {
    match expected {
        Expected::Bits(bits) => compare_bits(bits, actual),
        Expected::Within(bounded) => compare_bounded(bounded, actual),
    }
}

fn is_exact(expected: &Expected) -> bool {
    match expected {
        Expected::Bits(_) => true,
        Expected::Within(bounded) => bounded.exact,
    }
}
