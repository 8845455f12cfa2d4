//! The cells that a profile stands for, on any machine.

use std::collections::HashMap;

use robocache_core::{
    dtype::DType,
    operator::Operator,
    parameters::{Parameters, Value},
    random::Seed,
    registry::Registry,
};

use super::{
    budgets::{Budgets, check_kernels},
    goldens::Goldens,
    joint::JointCells,
};
use crate::{
    cell::{Cell, Device, Input},
    dataset::Expectation,
    machine::Machine,
    matrix::{DatasetRow, Diagnostic, Matrix, OperatorRow, Place, Profile, Selection},
    suites::SuiteSettings,
};

/// The most cells that a profile may have.
const CELL_LIMIT: usize = 200_000;

/// A cell before anything is known of the machine.
pub(super) struct Draft {
    pub(super) cell: Cell,
    /// Whether the operator has an implementation for the cell's device.
    pub(super) implemented: bool,
    /// Where its arguments were written.
    pub(super) arguments: Place,
    /// The selection that chose it.
    pub(super) selection: Place,
}

/// What every cell of one part of a selection has in common.
struct Part<'a> {
    matrix: &'a Matrix,
    budgets: &'a Budgets<'a>,
    profile: &'a Profile,
    selection: &'a Selection,
    suite: &'a SuiteSettings,
    operator: &'a dyn Operator,
    device: Device,
    dtype: DType,
}

/// The cells of a profile, as far as they can be listed.
#[derive(Default)]
pub(super) struct Drafts {
    pub(super) cells: Vec<Draft>,
    /// Whether it has more of them: of goldens that are not at hand.
    pub(super) lack_goldens: bool,
}

/// The cells of one profile in order: selection by selection, then by the parts of the name from left to right. The
/// goldens among them are those that `machine` has; of the profile that is asked for it must have all.
pub(super) fn drafts(
    matrix: &Matrix,
    budgets: &Budgets<'_>,
    profile: &Profile,
    registry: &Registry,
    machine: &Machine,
    is_asked_for: bool,
) -> Result<Drafts, Diagnostic> {
    let mut drafts = Drafts::default();
    for selection in &profile.selections {
        let (before, mut lack_goldens) = (drafts.cells.len(), false);
        for suite in profile.suites.iter().filter(|suite| selection.suites.contains(suite.name())) {
            // Goldens say themselves of which problems they are.
            if let SuiteSettings::BackwardCompat(_) = suite {
                let goldens = Goldens { matrix, profile, selection, suite, registry, machine, is_asked_for };
                lack_goldens |= goldens.drafts(&mut drafts.cells)?;
                continue;
            }
            if let SuiteSettings::MultiGpu(_) = suite {
                JointCells { matrix, profile, selection, suite, registry }.drafts(&mut drafts.cells)?;
                refuse_too_many(&drafts.cells, matrix, (profile, selection))?;
                continue;
            }
            for row in matrix.operators.iter().filter(|row| selection.operators.contains(row.name.as_str())) {
                let operator = find(registry, row, matrix, selection)?;
                let chosen = |device: &&Device| suite.runs_on(**device) && selection.devices.contains(*device);
                for &device in matrix.devices.iter().filter(chosen) {
                    for &dtype in row.dtypes.iter().filter(|dtype| selection.dtypes.contains(*dtype)) {
                        let part = Part { matrix, budgets, profile, selection, suite, operator, device, dtype };
                        part.generated(row, &mut drafts.cells)?;
                        part.recorded(&mut drafts.cells)?;
                        refuse_too_many(&drafts.cells, matrix, (profile, selection))?;
                    }
                }
            }
        }
        if drafts.cells.len() == before && !lack_goldens {
            let message = format!("this selection of `{}` has no cell", profile.name);
            let help = "name `problems`, `datasets` or, for backward_compat, `goldens` that the chosen operators, dtypes \
                        and distributions have, and a device on which the chosen suites run: launch_count runs on \
                        cuda only, and multi_gpu with the numbers of ranks that are in `worlds`";
            return Err(matrix.source.diagnostic(selection.place, message).help(help));
        }
        drafts.lack_goldens |= lack_goldens;
    }
    if drafts.cells.is_empty() && !drafts.lack_goldens {
        return Err(matrix.source.diagnostic(profile.place, format!("the profile `{}` has no cell", profile.name)));
    }
    refuse_equal_names(&drafts.cells, matrix, profile)?;
    Ok(drafts)
}

fn refuse_too_many(drafts: &[Draft], matrix: &Matrix, of: (&Profile, &Selection)) -> Result<(), Diagnostic> {
    let (profile, selection) = of;
    if drafts.len() <= CELL_LIMIT {
        return Ok(());
    }
    let message = format!("`{}` has more than {CELL_LIMIT} cells", profile.name);
    Err(matrix.source.diagnostic(selection.place, message))
}

pub(super) fn find<'a>(
    registry: &'a Registry,
    row: &OperatorRow,
    matrix: &Matrix,
    selection: &Selection,
) -> Result<&'a dyn Operator, Diagnostic> {
    registry.get(&row.name).map(|operator| &**operator).ok_or_else(|| {
        let message = format!("the operator `{}` of this matrix is not registered", row.name);
        matrix.source.diagnostic(selection.place, message)
    })
}

impl Part<'_> {
    /// Cells with inputs drawn from distributions.
    fn generated(&self, row: &OperatorRow, drafts: &mut Vec<Draft>) -> Result<(), Diagnostic> {
        for group in row.groups.iter().filter(|group| self.selection.problems.contains(group.name.as_str())) {
            for row in group.problems.iter().filter(|row| row.dtypes.contains(&self.dtype)) {
                let arguments = &row.arguments;
                let problem = arguments.problem(self.operator, self.dtype, &self.matrix.source)?;
                let implemented = self.device == Device::Cpu || problem.cuda().is_some();
                let name = problem.name();
                let distributions = self.operator.distributions().iter();
                for &distribution in distributions.filter(|&chosen| self.selection.distributions.contains(chosen)) {
                    let input = Input::Generated(distribution);
                    let cell = self.cell(&name, input, arguments.parameters.clone(), Expectation::Accepted)?;
                    let selection = self.selection.place;
                    drafts.push(Draft { cell, implemented, arguments: arguments.place, selection });
                }
            }
        }
        Ok(())
    }

    /// Cells with recorded inputs.
    fn recorded(&self, drafts: &mut Vec<Draft>) -> Result<(), Diagnostic> {
        let fits = |row: &&DatasetRow| {
            row.spec.operator == self.operator.name()
                && row.dtypes.contains(&self.dtype)
                && self.selection.datasets.contains(row.name.as_str())
        };
        for row in self.matrix.datasets.iter().filter(fits) {
            for arguments in &row.arguments {
                let problem = arguments.partial_problem(self.operator, self.dtype, &self.matrix.source)?;
                let implemented = self.device == Device::Cpu || problem.is_none_or(|problem| problem.cuda().is_some());
                let input = Input::Recorded(row.name.clone());
                let parameters = arguments.parameters.clone();
                let cell = self.cell(&recorded_name(&parameters), input, parameters, row.spec.expect.clone())?;
                let selection = self.selection.place;
                drafts.push(Draft { cell, implemented, arguments: arguments.place, selection });
            }
        }
        Ok(())
    }

    fn cell(
        &self,
        problem: &str,
        input: Input,
        parameters: Parameters,
        expect: Expectation,
    ) -> Result<Cell, Diagnostic> {
        let Self { matrix, budgets, profile, selection, suite, operator, device, dtype } = *self;
        let name = format!("{}::{}::{device}::{dtype}::{problem}::{input}", suite.name(), operator.name());
        let (mut suite, mut limits) = (budgets.settle(suite, &name, operator, selection.place)?, matrix.limits);
        for (changes, place) in [(&profile.changes, profile.place), (&selection.changes, selection.place)] {
            changes.apply(&mut suite, &mut limits, &matrix.source)?;
            check_kernels(matrix, &suite, operator, place)?;
        }
        let operator = operator.name().to_owned();
        // The device is no part of the data's name: all devices get the same data.
        let data_name = Cell::data_name(suite.name(), &operator, dtype, problem, &input);
        let seed = Seed::root(matrix.seed).derive(&data_name);
        Ok(Cell { name, suite, operator, device, dtype, parameters, input, expect, seed, limits })
    }
}

/// What stands for the problem in the name of a cell whose extents the recording decides: the words among its
/// arguments, such as `mean`.
fn recorded_name(parameters: &Parameters) -> String {
    let words: Vec<_> = parameters
        .iter()
        .filter_map(|(_, value)| match value {
            Value::Word(word) => Some(word.as_str()),
            Value::Integer(_) | Value::Number(_) | Value::List(_) => None,
        })
        .collect();
    if words.is_empty() { "recorded".to_owned() } else { words.join("_") }
}

/// A name is an identity: two cells of one name would overwrite each other's evidence.
fn refuse_equal_names(drafts: &[Draft], matrix: &Matrix, profile: &Profile) -> Result<(), Diagnostic> {
    let mut names = HashMap::new();
    for draft in drafts {
        if let Some(first) = names.insert(&draft.cell.name, draft) {
            let (place, earlier) = if first.selection == draft.selection {
                (draft.arguments, first.arguments)
            } else {
                (draft.selection, first.selection)
            };
            let message = format!("`{}` has two cells of one name", profile.name);
            let help = format!("the first of them comes from line {}", earlier.line);
            return Err(matrix.source.diagnostic(place, message).label(&draft.cell.name).help(help));
        }
    }
    Ok(())
}
