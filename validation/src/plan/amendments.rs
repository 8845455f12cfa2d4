//! Overrides, excludes, thresholds and approved changes, applied to the cells that their patterns match.

use jiff::civil::Date;
use robocache_core::{
    registry::Registry,
    timing::{CpuStopwatch, CudaStopwatch, Series},
};

use super::{budgets::check_kernels, cells::Draft};
use crate::{
    cell::Device,
    machine::Machine,
    matrix::{Change, Diagnostic, Matrix, looser_limits},
    suites::{Approval, SuiteSettings},
};

/// The overrides, excludes, thresholds and approvals of a matrix, and which of them have matched a cell.
pub(super) struct Amendments<'a> {
    matrix: &'a Matrix,
    registry: &'a Registry,
    overrides_used: Vec<bool>,
    excludes_used: Vec<bool>,
    thresholds_used: Vec<bool>,
    approvals_used: Vec<bool>,
}

impl<'a> Amendments<'a> {
    /// Those of `matrix`, unless one of them expired before `today`.
    pub(super) fn new(matrix: &'a Matrix, registry: &'a Registry, today: Date) -> Result<Self, Diagnostic> {
        for expiry in matrix.overrides.iter().filter_map(|change| change.expires) {
            if expiry.date < today {
                let message = format!("this override expired on {}", expiry.date);
                let help = "repair what it works around and remove it, or renew it with a reason that still holds";
                return Err(matrix.source.diagnostic(expiry.place, message).help(help));
            }
        }
        if let Some(approval) = matrix.approvals.iter().find(|approval| approval.expires.date < today) {
            let message = format!("this approval expired on {}", approval.expires.date);
            let help = "make the bits those of the release again, or renew it with a reason that still holds";
            return Err(matrix.source.diagnostic(approval.expires.place, message).label(&approval.reason).help(help));
        }
        Ok(Self {
            matrix,
            registry,
            overrides_used: vec![false; matrix.overrides.len()],
            excludes_used: vec![false; matrix.excludes.len()],
            thresholds_used: vec![false; matrix.thresholds.len()],
            approvals_used: vec![false; matrix.approvals.len()],
        })
    }

    /// Makes the changes of every override that matches. One that loosens a check must have an expiry date.
    pub(super) fn override_cell(&mut self, draft: &mut Draft) -> Result<(), Diagnostic> {
        let source = &self.matrix.source;
        for (change, used) in self.matrix.overrides.iter().zip(&mut self.overrides_used) {
            if !change.cells.matches(&draft.cell.name) {
                continue;
            }
            *used = true;
            let (suite, limits) = (draft.cell.suite.clone(), draft.cell.limits);
            change.changes.apply(&mut draft.cell.suite, &mut draft.cell.limits, source)?;
            if let Some(operator) = self.registry.get(&draft.cell.operator) {
                check_kernels(self.matrix, &draft.cell.suite, &**operator, change.place)?;
            }
            let looser = draft.cell.suite.is_looser_than(&suite) || looser_limits(&draft.cell.limits, &limits);
            if looser && change.expires.is_none() {
                let message = "this override loosens a check and has no `expires`";
                let help = "add the last day on which it may hold, such as `expires: 2027-01-31`";
                let label = format!("less is demanded of {}", draft.cell.name);
                return Err(source.diagnostic(change.place, message).label(label).help(help));
            }
        }
        Ok(())
    }

    /// Gives a timed cell every threshold that matches it. Its device must have the series that is meant.
    pub(super) fn set_thresholds(&mut self, draft: &mut Draft) -> Result<(), Diagnostic> {
        let settings = match &mut draft.cell.suite {
            SuiteSettings::Performance(settings) => settings,
            SuiteSettings::Determinism(_)
            | SuiteSettings::Accuracy(_)
            | SuiteSettings::LaunchCount(_)
            | SuiteSettings::BackwardCompat(_)
            | SuiteSettings::MultiGpu(_) => return Ok(()),
        };
        for (threshold, used) in self.matrix.thresholds.iter().zip(&mut self.thresholds_used) {
            if !threshold.cells.matches(&draft.cell.name) {
                continue;
            }
            *used = true;
            let series = threshold.threshold.series;
            let known: &[Series] = match draft.cell.device {
                Device::Cpu => CpuStopwatch::SERIES,
                Device::Cuda => CudaStopwatch::SERIES,
            };
            if !known.contains(&series) {
                let names: Vec<_> = known.iter().map(|series| series.name()).collect();
                let message = format!("{} cells have no series `{series}`", draft.cell.device);
                let label = format!("this matches {}", draft.cell.name);
                return Err(self
                    .matrix
                    .source
                    .diagnostic(threshold.series_place, message)
                    .label(label)
                    .help(format!("they have {}; let the pattern name one device", names.join(", "))));
            }
            settings.thresholds.push(threshold.threshold);
        }
        Ok(())
    }

    /// Gives the cell of a golden the changes that were approved of it: the first of each kind that matches.
    pub(super) fn approve(&mut self, draft: &mut Draft, machine: &Machine) {
        let settings = match &mut draft.cell.suite {
            SuiteSettings::BackwardCompat(settings) => settings,
            SuiteSettings::Determinism(_)
            | SuiteSettings::Accuracy(_)
            | SuiteSettings::LaunchCount(_)
            | SuiteSettings::MultiGpu(_)
            | SuiteSettings::Performance(_) => return,
        };
        for (approved, used) in self.matrix.approvals.iter().zip(&mut self.approvals_used) {
            if !approved.cells.matches(&draft.cell.name) {
                continue;
            }
            *used = true;
            let (change, must_be_used) = match approved.change {
                Change::Results => (&mut settings.changed_results, machine.subject.is_none()),
                Change::Inputs => (&mut settings.changed_inputs, true),
            };
            change.get_or_insert_with(|| Approval {
                reason: approved.reason.clone(),
                expires: approved.expires.date,
                must_be_used,
            });
        }
    }

    /// The reason of the first exclude that matches.
    pub(super) fn exclusion(&mut self, draft: &Draft) -> Option<&'a str> {
        let mut reason = None;
        for (exclude, used) in self.matrix.excludes.iter().zip(&mut self.excludes_used) {
            if exclude.cells.matches(&draft.cell.name) {
                *used = true;
                reason = reason.or(Some(exclude.reason.as_str()));
            }
        }
        reason
    }

    /// Fails if one of them matched no cell of any profile: what it was written for is gone, or its pattern is wrong. Where
    /// goldens are not at hand, it may be written for one of their cells; only a threshold is never.
    pub(super) fn finish(self, lacks_goldens: bool) -> Result<(), Diagnostic> {
        let overrides = self.matrix.overrides.iter().map(|change| change.place).zip(self.overrides_used);
        let excludes = self.matrix.excludes.iter().map(|exclude| exclude.place).zip(self.excludes_used);
        let thresholds = self.matrix.thresholds.iter().map(|threshold| threshold.place).zip(self.thresholds_used);
        let approvals = self.matrix.approvals.iter().map(|approval| approval.place).zip(self.approvals_used);
        let of_any_cell = overrides.chain(excludes).chain(approvals).filter(|_| !lacks_goldens);
        match of_any_cell.chain(thresholds).find(|&(_, used)| !used) {
            None => Ok(()),
            Some((place, _)) => Err(self
                .matrix
                .source
                .diagnostic(place, "this pattern matches no cell of any profile")
                .help("a cell's name is `suite::operator::device::dtype::problem::input`; `*` stands for anything")),
        }
    }
}
