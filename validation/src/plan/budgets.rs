//! Budgets of launches, given to the cells that their patterns match.

use std::cell::Cell;

use robocache_core::operator::Operator;

use crate::{
    matrix::{Budget, Diagnostic, Matrix, Pattern, Place},
    suites::{LaunchCountSettings, SuiteSettings},
};

/// The budgets of a matrix, and which of them are some cell's.
pub(super) struct Budgets<'a> {
    matrix: &'a Matrix,
    used: Vec<Cell<bool>>,
}

impl<'a> Budgets<'a> {
    /// Those of `matrix`.
    pub(super) fn new(matrix: &'a Matrix) -> Self {
        Self { matrix, used: vec![Cell::new(false); matrix.budgets.len()] }
    }

    /// What the cell of this name is told: its suite as the matrix has it, with the first budget that matches if the
    /// suite takes one. `selection` is the place that chose the cell.
    pub(super) fn settle(
        &self,
        suite: &SuiteSettings,
        name: &str,
        operator: &dyn Operator,
        selection: Place,
    ) -> Result<SuiteSettings, Diagnostic> {
        match suite {
            SuiteSettings::Determinism(_)
            | SuiteSettings::Accuracy(_)
            | SuiteSettings::BackwardCompat(_)
            | SuiteSettings::MultiGpu(_)
            | SuiteSettings::Performance(_) => return Ok(suite.clone()),
            SuiteSettings::LaunchCount(_) => {}
        }
        let mut budgets = self.matrix.budgets.iter().zip(&self.used);
        let Some((budget, used)) = budgets.find(|(budget, _)| budget.cells.matches(name)) else {
            return Err(self
                .matrix
                .source
                .diagnostic(selection, "this selection has a cell without a budget of launches")
                .label(name)
                .help("add one to `suites.launch_count.budgets`: `{cells: PATTERN, kernels: {PATTERN: LAUNCHES}}`"));
        };
        used.set(true);
        let Budget { settings, kernel_places, .. } = budget;
        let suite = SuiteSettings::LaunchCount(settings.clone());
        match unknown_kernel(&suite, operator) {
            None => Ok(suite),
            Some(pattern) => {
                let place = kernel_places.get(pattern).copied().unwrap_or(budget.place);
                Err(unknown_kernel_diagnostic(self.matrix, place, pattern, operator))
            }
        }
    }

    /// Fails if a budget is no cell's: what it was written for is gone, its pattern is wrong, or another comes first.
    pub(super) fn finish(self) -> Result<(), Diagnostic> {
        match self.matrix.budgets.iter().zip(self.used).find(|(_, used)| !used.get()) {
            None => Ok(()),
            Some((budget, _)) => {
                Err(self.matrix.source.diagnostic(budget.place, "this budget is that of no cell of any profile").help(
                    "a cell has the first budget whose pattern matches its name, such as `launch_count::fuse::*`",
                ))
            }
        }
    }
}

/// Fails if what `place` changed has a cell wait for a kernel that its operator does not have.
pub(super) fn check_kernels(
    matrix: &Matrix,
    suite: &SuiteSettings,
    operator: &dyn Operator,
    place: Place,
) -> Result<(), Diagnostic> {
    match unknown_kernel(suite, operator) {
        None => Ok(()),
        Some(pattern) => Err(unknown_kernel_diagnostic(matrix, place, pattern, operator)),
    }
}

/// The first pattern of a budget that no kernel of the operator can match, if its kernels are known.
fn unknown_kernel<'s>(suite: &'s SuiteSettings, operator: &dyn Operator) -> Option<&'s str> {
    let LaunchCountSettings { kernels, copies: _, memsets: _ } = match suite {
        SuiteSettings::LaunchCount(budget) => budget,
        SuiteSettings::Determinism(_)
        | SuiteSettings::Accuracy(_)
        | SuiteSettings::BackwardCompat(_)
        | SuiteSettings::MultiGpu(_)
        | SuiteSettings::Performance(_) => return None,
    };
    let known = operator.kernels();
    let is_known = |pattern: &str| {
        let pattern = Pattern::new(pattern);
        known.iter().any(|kernel| pattern.matches(kernel))
    };
    if known.is_empty() { None } else { kernels.keys().map(String::as_str).find(|pattern| !is_known(pattern)) }
}

fn unknown_kernel_diagnostic(matrix: &Matrix, place: Place, pattern: &str, operator: &dyn Operator) -> Diagnostic {
    let message = format!("`{}` has no kernel `{pattern}`", operator.name());
    let kernels: Vec<_> = operator.kernels().into_iter().map(|kernel| format!("`{kernel}`")).collect();
    matrix.source.diagnostic(place, message).help(format!("its kernels are {}", kernels.join(", ")))
}
