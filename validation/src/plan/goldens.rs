//! Cells that reproduce the goldens of earlier releases.

use robocache_core::registry::Registry;

use super::cells::Draft;
use crate::{
    cell::{Cell, Device, GoldenInput, Input},
    dataset::Expectation,
    golden::{Corpus, Stored},
    machine::Machine,
    matrix::{Diagnostic, Matrix, Profile, Release, Selection},
    suites::SuiteSettings,
};

/// What the cells of a selection have in common.
pub(super) struct Goldens<'a> {
    pub(super) matrix: &'a Matrix,
    pub(super) profile: &'a Profile,
    pub(super) selection: &'a Selection,
    pub(super) suite: &'a SuiteSettings,
    pub(super) registry: &'a Registry,
    pub(super) machine: &'a Machine,
    /// Whether the profile is the one that was asked for.
    pub(super) is_asked_for: bool,
}

impl Goldens<'_> {
    /// One cell for each device and golden, in the order in which the release wrote them.
    ///
    /// Cells of goldens that are not at hand cannot be listed, so that a run of them is refused: it would look as if they
    /// had been reproduced. Other profiles go on without them, and this says whether there are such cells.
    pub(super) fn drafts(&self, drafts: &mut Vec<Draft>) -> Result<bool, Diagnostic> {
        let Self { matrix, selection, .. } = *self;
        let mut lack = false;
        for &device in matrix.devices.iter().filter(|device| selection.devices.contains(*device)) {
            for release in matrix.releases.iter().filter(|release| selection.goldens.contains(release.name.as_str())) {
                let chosen = |stored: &&Stored| {
                    let golden = &stored.golden;
                    selection.operators.contains(golden.operator.as_str())
                        && selection.dtypes.contains(&golden.dtype)
                        && selection.distributions.contains(&golden.distribution)
                };
                let corpus = match self.corpus(release) {
                    Ok(corpus) => corpus,
                    Err(diagnostic) if self.is_asked_for => return Err(diagnostic),
                    Err(_) => {
                        lack = true;
                        continue;
                    }
                };
                for stored in corpus.manifest.goldens.iter().filter(chosen) {
                    drafts.push(self.draft(device, release, stored)?);
                }
            }
        }
        Ok(lack)
    }

    fn corpus(&self, release: &Release) -> Result<&Corpus, Diagnostic> {
        let not_looked_for = || Err("they were not looked for".to_owned());
        match self.machine.goldens.get(&release.name).unwrap_or(&not_looked_for()) {
            Ok(_) => {}
            Err(reason) => {
                let message = format!("the goldens of release {} cannot be used: {reason}", release.name);
                return Err(self.matrix.source.diagnostic(release.place, message).help(
                    "they are the folder `goldens` of the repository, beside its matrix.yaml; `git checkout` brings \
                     them back, and a release that is no longer supported is taken off this list. A profile that \
                     selects none of them runs without",
                ));
            }
        }
        Ok(self.machine.goldens[&release.name].as_ref().expect("it was looked at above"))
    }

    fn draft(&self, device: Device, release: &Release, stored: &Stored) -> Result<Draft, Diagnostic> {
        let Self { matrix, profile, selection, registry, .. } = *self;
        let golden = &stored.golden;
        let operator = registry.get(&golden.operator).ok_or_else(|| {
            let message = format!("release {} has goldens of `{}`", release.name, golden.operator);
            let label = "this program has no such operator";
            matrix.source.diagnostic(release.place, message).label(label)
        })?;
        // A problem that cannot be made any more is the cell's failure, and not the plan's.
        let problem = operator.problem(golden.dtype, &golden.parameters);
        let implemented = device == Device::Cpu || problem.is_ok_and(|problem| problem.cuda().is_some());
        let (mut suite, mut limits) = (self.suite.clone(), matrix.limits);
        for changes in [&profile.changes, &selection.changes] {
            changes.apply(&mut suite, &mut limits, &matrix.source)?;
        }
        let input = Input::Golden(GoldenInput {
            release: release.name.clone(),
            distribution: golden.distribution,
            blake3: stored.blake3.clone(),
        });
        let cell = Cell {
            name: golden.cell_name(suite.name(), device, &release.name),
            suite,
            operator: golden.operator.clone(),
            device,
            dtype: golden.dtype,
            parameters: golden.parameters.clone(),
            input,
            seed: golden.seed,
            expect: Expectation::Accepted,
            limits,
        };
        Ok(Draft { cell, implemented, arguments: release.place, selection: selection.place })
    }
}
