//! From a cell to its problem and inputs.

use robocache_core::{operator::Problem, registry::Registry, tensor::HostTensor};

use crate::{
    cell::{Cell, Input},
    dataset,
    protocol::Recording,
};

/// A problem and its inputs.
pub(super) struct Prepared {
    pub(super) problem: Box<dyn Problem>,
    pub(super) inputs: Vec<HostTensor>,
}

/// Why there is nothing to run.
pub(super) enum Unprepared {
    /// The recording is unusable; `kind` is a stable word.
    Rejected { kind: String, message: String },
    /// The harness asks for something that this program does not have.
    Impossible(String),
}

/// Makes the problem and generates or reads its inputs.
pub(super) fn prepare(registry: &Registry, cell: &Cell, recording: Option<&Recording>) -> Result<Prepared, Unprepared> {
    let operator = registry
        .get(&cell.operator)
        .ok_or_else(|| Unprepared::Impossible(format!("this program knows no operator `{}`", cell.operator)))?;
    match &cell.input {
        Input::Generated(distribution) => {
            let problem = operator
                .problem(cell.dtype, &cell.parameters)
                .map_err(|error| Unprepared::Impossible(format!("the plan holds an impossible problem: {error}")))?;
            let inputs = problem.generate(*distribution, cell.seed);
            Ok(Prepared { problem, inputs })
        }
        Input::Recorded(name) => {
            let recording =
                recording.ok_or_else(|| Unprepared::Impossible(format!("dataset `{name}` came without its file")))?;
            let loaded = dataset::load(&recording.path, &recording.spec, cell.dtype)
                .map_err(|error| rejected(error.kind(), error.to_string()))?;
            let problem = operator
                .problem(cell.dtype, &loaded.parameters)
                .map_err(|error| rejected("invalid_parameter", error.to_string()))?;
            problem
                .check(&loaded.inputs)
                .map_err(|error| rejected("invalid_input", format!("{}: {error}", recording.path.display())))?;
            Ok(Prepared { problem, inputs: loaded.inputs })
        }
    }
}

fn rejected(kind: &str, message: String) -> Unprepared {
    Unprepared::Rejected { kind: kind.to_owned(), message }
}
