//! From a cell to its problem and inputs.

use robocache_core::{
    dtype::DType, operator::Problem, parameters::Parameters, random::Seed, registry::Registry, tensor::HostTensor,
};

use super::backward_compat::{self, Left};
use crate::{
    cell::{Cell, Input},
    dataset,
    protocol::Recording,
};

/// A problem and its inputs.
pub(crate) struct Prepared {
    pub(crate) problem: Box<dyn Problem>,
    pub(crate) inputs: Vec<HostTensor>,
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

/// Makes the problem of a cell and generates or reads its inputs.
pub(super) fn prepare(registry: &Registry, cell: &Cell, recording: Option<&Recording>) -> Result<Prepared, Unprepared> {
    let wanted = Wanted {
        operator: &cell.operator,
        dtype: cell.dtype,
        parameters: &cell.parameters,
        input: &cell.input,
        seed: cell.seed,
    };
    prepare_wanted(registry, &wanted, recording)
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
            Ok(Prepared { problem, inputs, left: None })
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
            Ok(Prepared { problem, inputs: loaded.inputs, left: None })
        }
        Input::Golden(golden) => {
            let path = std::env::var("SHIM").unwrap();
            backward_compat::prepare(registry, wanted, golden, path.as_ref())
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
