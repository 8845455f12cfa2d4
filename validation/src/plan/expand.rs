//! From a matrix, a profile and the machine's facts to a plan: pure.

use std::collections::BTreeSet;

use jiff::civil::Date;
use robocache_core::registry::Registry;

use super::{
    Plan, PlannedCell, SkipReason,
    amendments::Amendments,
    budgets::Budgets,
    cells::{Draft, Drafts, drafts},
    joint::{no_loss, ranks_lacking},
};
use crate::{
    cell::{Device, Input},
    machine::Machine,
    matrix::{Diagnostic, Kind, Matrix},
    subject,
    suites::{Joint, SuiteSettings, Task},
};

impl Plan {
    /// The cells of `profile` in their order. Those that cannot run on `machine` stay, with the reason.
    ///
    /// Every profile is expanded, not only the one that is asked for: a mistake in any of them is one diagnostic today
    /// instead of a surprise on the machine that runs it, and an exclude is known to match something. Only goldens that
    /// are not at hand are no mistake of a profile that is not asked for.
    pub fn expand(
        matrix: &Matrix,
        profile: &str,
        machine: &Machine,
        registry: &Registry,
        today: Date,
    ) -> Result<Self, Diagnostic> {
        Self::expand_of(Kind::Validation, matrix, profile, machine, registry, today)
    }

    /// The cells of the profile of this kind and name, as [`Plan::expand`] gives those of a profile that validates.
    pub fn expand_of(
        kind: Kind,
        matrix: &Matrix,
        profile: &str,
        machine: &Machine,
        registry: &Registry,
        today: Date,
    ) -> Result<Self, Diagnostic> {
        let chosen = matrix.find(kind, profile)?;
        let mut amendments = Amendments::new(matrix, registry, today)?;
        let budgets = Budgets::new(matrix);
        let mut cells = Vec::new();
        let mut lacks_goldens = false;
        for profile in matrix.profiles().iter().chain(matrix.benchmarks()) {
            let is_asked_for = std::ptr::eq(profile, chosen);
            let Drafts { cells: drafts, lack_goldens } =
                drafts(matrix, &budgets, profile, registry, machine, is_asked_for)?;
            lacks_goldens |= lack_goldens;
            let mut all_excluded = !lack_goldens;
            for mut draft in drafts {
                amendments.override_cell(&mut draft)?;
                amendments.set_thresholds(&mut draft)?;
                amendments.approve(&mut draft, machine);
                let exclusion = amendments.exclusion(&draft);
                all_excluded &= exclusion.is_some();
                if is_asked_for {
                    let skip = exclusion
                        .map(|reason| SkipReason::Excluded(reason.to_owned()))
                        .or_else(|| absence(&draft, machine));
                    cells.push(PlannedCell { cell: draft.cell, skip });
                }
            }
            if all_excluded {
                let message = format!("every cell of `{}` is excluded: it could not fail", profile.name);
                return Err(matrix.source.diagnostic(profile.place, message));
            }
        }
        amendments.finish(lacks_goldens)?;
        budgets.finish()?;
        let datasets: BTreeSet<_> = cells.iter().filter_map(|planned| dataset(&planned.cell.input)).collect();
        let datasets: Vec<_> = datasets.into_iter().collect();
        let missing_requirements =
            chosen.requires.iter().filter_map(|requirement| requirement.missing(machine, &datasets)).collect();
        Ok(Self { cells, missing_requirements })
    }
}

/// What the cell needs and `machine` or the subject lacks.
fn absence(draft: &Draft, machine: &Machine) -> Option<SkipReason> {
    let cell = &draft.cell;
    if let (SuiteSettings::MultiGpu(settings), Some(_)) = (&cell.suite, &machine.subject)
        && let Some(Joint { task: Task::Collective { .. } | Task::DataParallel | Task::Fault { .. }, .. }) =
            settings.joint
    {
        let what = "collectives, training and lost ranks run no operator of a subject";
        return Some(SkipReason::SubjectLacks(what.to_owned()));
    }
    let lacks = |subject| subject::lacks(subject, &cell.operator, cell.device, cell.dtype, &cell.parameters);
    if let Some(what) = machine.subject.as_ref().and_then(lacks) {
        return Some(SkipReason::SubjectLacks(what));
    }
    match cell.device {
        Device::Cuda if machine.gpus.is_empty() => {
            return Some(SkipReason::MachineLacks(machine.cuda_absence().to_owned()));
        }
        Device::Cuda if !draft.implemented && machine.subject.is_none() => {
            return Some(SkipReason::MachineLacks(format!("a CUDA implementation of `{}`", cell.operator)));
        }
        Device::Cpu | Device::Cuda => {}
    }
    match (&cell.suite, &machine.cupti) {
        (SuiteSettings::LaunchCount(_), Err(absence)) => return Some(SkipReason::MachineLacks(absence.clone())),
        (SuiteSettings::MultiGpu(settings), Ok(_) | Err(_)) => {
            if let Some(what) = settings.joint.and_then(|Joint { world, task }| {
                ranks_lacking(machine, cell.device, world).or_else(|| no_loss(machine, task))
            }) {
                return Some(SkipReason::MachineLacks(what));
            }
        }
        (
            SuiteSettings::LaunchCount(_)
            | SuiteSettings::Determinism(_)
            | SuiteSettings::Accuracy(_)
            | SuiteSettings::BackwardCompat(_)
            | SuiteSettings::Performance(_),
            Ok(_) | Err(_),
        ) => {}
    }
    let name = dataset(&cell.input)?;
    machine.dataset_absence(name).map(|absence| SkipReason::DatasetMissing(format!("{name}: {absence}")))
}

fn dataset(input: &Input) -> Option<&str> {
    match input {
        Input::Generated(_) | Input::Golden(_) | Input::Pattern => None,
        Input::Recorded(name) => Some(name),
    }
}
