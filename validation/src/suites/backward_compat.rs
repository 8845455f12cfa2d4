//! The backward_compat suite: what an operator makes of the inputs of an earlier release, beside what that release
//! made of them.

use std::path::Path;

use robocache_core::{
    compare::compare_bits,
    distribution::Distribution,
    operator::{Problem, check_tensors},
    registry::Registry,
    tensor::HostTensor,
};

use super::{
    BackwardCompatSettings,
    device::{during, run_once},
    measurement::measure,
    prepare::{Prepared, Unprepared, Wanted},
    witness::Witness,
};
use crate::{
    cell::{Cell, Device, GoldenInput},
    golden::{self, GoldenTensors},
    observation::{GoldenFacts, OperatorFailure},
};

/// The suite's name: seeds of goldens are derived from it.
pub(crate) const BACKWARD_COMPAT: &str = "backward_compat";

/// What a release left of a cell besides its inputs.
pub(crate) struct Left {
    /// What it made of the inputs.
    pub(super) results: Vec<HostTensor>,
    /// Inputs of which the generator makes others now.
    regenerated_otherwise: Vec<String>,
}

/// Runs the cell's problem on the stored inputs.
pub(super) fn observe(
    cell: &Cell,
    settings: &BackwardCompatSettings,
    prepared: &Prepared,
    left: &Left,
) -> Result<(GoldenFacts, Option<Witness>), OperatorFailure> {
    let outcome = run_once(cell.device, &*prepared.problem, &prepared.inputs).map_err(during("first_run"))?;
    let differing = left.results.iter().zip(&outcome.outputs).filter(|(then, now)| then.bytes() != now.bytes());
    let facts = GoldenFacts {
        elements: left.results.iter().map(|output| output.shape().elements() as u64).sum(),
        incompatible: None,
        differences: differing.map(|(then, now)| compare_bits(then, now)).collect(),
        regenerated_otherwise: left.regenerated_otherwise.clone(),
        guard_violation: outcome.guard_violation,
        mutated_input: outcome.mutated_input,
    };
    // Whether a change is wanted is not said here. Where nothing has changed, only a change that is wanted is missing.
    let is_plain = *settings == BackwardCompatSettings::default() && facts.is_unchanged();
    let witness = || Witness { expected: left.results.clone(), actual: outcome.outputs, ..Witness::default() };
    Ok((facts, (!is_plain).then(witness)))
}

/// Makes the problem of a golden, and reads its file.
pub(super) fn prepare(
    registry: &Registry,
    wanted: &Wanted<'_>,
    golden: &GoldenInput,
    path: &Path,
) -> Result<Prepared, Unprepared> {
    let GoldenTensors { inputs, outputs, .. } =
        golden::read(path, &golden.blake3).map_err(|error| Unprepared::Impossible(error.to_string()))?;
    with_tensors(registry, wanted, golden.distribution, inputs, outputs)
}

/// Makes the problem of a golden of these tensors, if it still is one.
pub(super) fn with_tensors(
    registry: &Registry,
    wanted: &Wanted<'_>,
    distribution: Distribution,
    inputs: Vec<HostTensor>,
    results: Vec<HostTensor>,
) -> Result<Prepared, Unprepared> {
    let incompatible = |error: &dyn ToString| Unprepared::Incompatible(error.to_string());
    let operator = registry.get(wanted.operator).ok_or_else(|| incompatible(&"there is no such operator"))?;
    let problem = operator.problem(wanted.dtype, wanted.parameters).map_err(|error| incompatible(&error))?;
    check_tensors(&problem.inputs(), &inputs).map_err(|error| incompatible(&error))?;
    check_tensors(&problem.outputs(), &results).map_err(|error| incompatible(&error))?;
    problem.check(&inputs).map_err(|error| incompatible(&error))?;
    let generated = problem.generate(distribution, wanted.seed);
    let otherwise = inputs.iter().zip(&generated).filter(|(then, now)| then.bytes() != now.bytes());
    let regenerated_otherwise = otherwise.map(|(then, _)| then.name().to_owned()).collect();
    Ok(Prepared {
        problem,
        inputs,
        parameters: wanted.parameters.clone(),
        left: Some(Left { results, regenerated_otherwise }),
    })
}

/// The outputs of a problem on the CPU, if they are what they must be: nothing else may become a golden.
pub(crate) fn golden_outputs(problem: &dyn Problem, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, String> {
    let measured = measure(Device::Cpu, problem, inputs).map_err(|error| error.to_string())?;
    match measured.facts.holds() {
        true => Ok(measured.actual),
        false => Err(measured.facts.defects().join("; ")),
    }
}
