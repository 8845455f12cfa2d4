//! From a cell to its problem and inputs.

use std::borrow::Cow;

use robocache_core::{
    dtype::DType,
    operator::{Problem, check_tensors},
    parameters::Parameters,
    random::Seed,
    registry::Registry,
    tensor::HostTensor,
};

use super::backward_compat::{self, Left};
use crate::{
    bundle::{self, Role},
    cell::{Cell, Input, Limits},
    dataset,
    protocol::{Attached, GivenInputs, Recording},
    worker::without_memory_limit,
};

/// A problem and its inputs.
pub(crate) struct Prepared {
    pub(crate) problem: Box<dyn Problem>,
    pub(crate) inputs: Vec<HostTensor>,
    /// All arguments of the problem, those included that a recording decides.
    pub(crate) parameters: Parameters,
    /// What a release left of it, if it is a golden.
    pub(crate) left: Option<Left>,
}

/// Why there is nothing to run.
pub(crate) enum Unprepared {
    /// The recording is unusable; `kind` is a stable word.
    Rejected { kind: String, message: String },
    /// A golden means nothing to its operator any more.
    Incompatible(String),
    /// The harness asks for something that this program does not have.
    Impossible(String),
}

/// The part of a cell that decides its problem and inputs.
pub(crate) struct Wanted<'a> {
    pub(crate) operator: &'a str,
    pub(crate) dtype: DType,
    pub(crate) parameters: &'a Parameters,
    pub(crate) input: &'a Input,
    pub(crate) seed: Seed,
}

impl<'a> Wanted<'a> {
    /// What a cell wants.
    pub(crate) fn of(cell: &'a Cell) -> Self {
        let Cell { operator, dtype, parameters, input, seed, .. } = cell;
        Self { operator, dtype: *dtype, parameters, input, seed: *seed }
    }
}

/// Makes the problem of a cell and generates or reads its inputs.
pub(super) fn prepare(registry: &Registry, cell: &Cell, attached: &Attached) -> Result<Prepared, Unprepared> {
    let wanted = Wanted::of(cell);
    match (&attached.inputs, &attached.golden, &cell.input) {
        (Some(given), _, _) => prepare_given(registry, &wanted, given, cell.limits),
        (None, Some(path), Input::Golden(golden)) => backward_compat::prepare(registry, &wanted, golden, path),
        (None, None | Some(_), Input::Generated(_) | Input::Recorded(_) | Input::Pattern)
        | (None, None, Input::Golden(_)) => prepare_wanted(registry, &wanted, attached.recording.as_ref()),
    }
}

/// Makes a problem whose inputs a bundle holds, or their hashes.
fn prepare_given(
    registry: &Registry,
    wanted: &Wanted<'_>,
    given: &GivenInputs,
    limits: Limits,
) -> Result<Prepared, Unprepared> {
    let bundle = without_memory_limit(limits, || bundle::given_inputs(&given.path, &given.hash))
        .map_err(|error| Unprepared::Impossible(error.to_string()))?
        .map_err(|error| Unprepared::Impossible(error.to_string()))?;
    let Some(inputs) = bundle.inputs() else {
        let prepared = prepare_wanted(registry, wanted, None)?;
        let hashes = bundle.of_role(Role::Input).map(|held| &*held.entry.blake3);
        return match hashes.zip(&prepared.inputs).find(|(hash, input)| input.hash().to_hex().as_str() != *hash) {
            None => Ok(prepared),
            Some((_, input)) => Err(Unprepared::Impossible(format!(
                "this program generates another `{}` from the bundle's seed than the one that made the bundle",
                input.name()
            ))),
        };
    };
    if let Input::Golden(golden) = wanted.input {
        let results = bundle.of_role(Role::Expected).filter_map(|held| held.payload.clone()).map(Cow::into_owned);
        let results: Vec<_> = results.collect();
        if results.is_empty() {
            let reason = format!("the bundle holds no results of release {}", golden.release);
            return Err(Unprepared::Impossible(reason));
        }
        return backward_compat::with_tensors(registry, wanted, golden.distribution, inputs, results);
    }
    let problem = registry
        .get(wanted.operator)
        .ok_or_else(|| Unprepared::Impossible(format!("this program knows no operator `{}`", wanted.operator)))?
        .problem(wanted.dtype, wanted.parameters)
        .map_err(|error| Unprepared::Impossible(format!("the bundle holds an impossible problem: {error}")))?;
    check_tensors(&problem.inputs(), &inputs)
        .map_err(|error| Unprepared::Impossible(format!("the bundle holds other inputs: {error}")))?;
    problem.check(&inputs).map_err(|error| rejected("invalid_input", error.to_string()))?;
    Ok(Prepared { problem, inputs, parameters: wanted.parameters.clone(), left: None })
}

/// Makes a problem and generates or reads its inputs.
pub(crate) fn prepare_wanted(
    registry: &Registry,
    wanted: &Wanted<'_>,
    recording: Option<&Recording>,
) -> Result<Prepared, Unprepared> {
    let operator = registry
        .get(wanted.operator)
        .ok_or_else(|| Unprepared::Impossible(format!("this program knows no operator `{}`", wanted.operator)))?;
    match wanted.input {
        Input::Generated(distribution) => {
            let problem = operator
                .problem(wanted.dtype, wanted.parameters)
                .map_err(|error| Unprepared::Impossible(format!("the plan holds an impossible problem: {error}")))?;
            let inputs = problem.generate(*distribution, wanted.seed);
            Ok(Prepared { problem, inputs, parameters: wanted.parameters.clone(), left: None })
        }
        Input::Recorded(name) => {
            let recording =
                recording.ok_or_else(|| Unprepared::Impossible(format!("dataset `{name}` came without its file")))?;
            let loaded = dataset::load(&recording.path, &recording.spec, wanted.dtype)
                .map_err(|error| rejected(error.kind(), error.to_string()))?;
            let problem = operator
                .problem(wanted.dtype, &loaded.parameters)
                .map_err(|error| rejected("invalid_parameter", error.to_string()))?;
            problem
                .check(&loaded.inputs)
                .map_err(|error| rejected("invalid_input", format!("{}: {error}", recording.path.display())))?;
            Ok(Prepared { problem, inputs: loaded.inputs, parameters: loaded.parameters, left: None })
        }
        Input::Pattern => Err(Unprepared::Impossible("patterns are made by ranks, and are no operator's".to_owned())),
        Input::Golden(golden) => {
            Err(Unprepared::Impossible(format!("a golden of release {} came without its file", golden.release)))
        }
    }
}

impl Unprepared {
    /// What is wrong, in words.
    pub(crate) fn into_message(self) -> String {
        match self {
            Self::Rejected { kind: _, message } | Self::Incompatible(message) | Self::Impossible(message) => message,
        }
    }
}

fn rejected(kind: &str, message: String) -> Unprepared {
    Unprepared::Rejected { kind: kind.to_owned(), message }
}
