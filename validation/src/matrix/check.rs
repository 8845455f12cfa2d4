//! From the document to the matrix: names are looked up, arguments checked.

use jiff::civil::Date;
use robocache_core::{dtype::DType, operator::Operator, parameters::Parameters, registry::Registry};

use super::{
    Diagnostic,
    arguments::Arguments,
    changes::Changes,
    choice::Choice,
    document::{
        BudgetSection, DatasetSection, Document, ExcludeSection, LimitsSection, OperatorSection, OverrideSection,
        ProfileSection, SelectionSection, SuitesSection, ThresholdSection,
    },
    entries::{Entries, Entry},
    model::{
        Budget, CellThreshold, CollectiveGroup, DatasetRow, Exclude, Expiry, FaultGroup, Matrix, OperatorRow, Override,
        ProblemGroup, ProblemRow, Profile, Release, Selection,
    },
    pattern::Pattern,
    place::{Located, Place},
    problem::ProblemSection,
    source::Source,
    suggestion::one_of,
};
use crate::{
    cell::Limits,
    dataset::DatasetSpec,
    suites::{BackwardCompatSettings, LaunchCountSettings, MultiGpuSettings, SuiteSettings, Threshold},
};

/// Looks every name up and checks every argument.
pub(crate) fn check(source: Source, document: Document, registry: &Registry) -> Result<Matrix, Diagnostic> {
    let checker = Checker { source: &source, registry };
    let devices: Vec<_> = document.devices.iter().map(|device| device.value).collect();
    if devices.is_empty() {
        return Err(source.diagnostic(Place::START, "`devices` is empty: no cell could run"));
    }
    let limits = checker.limits(&document.limits)?;
    let suites = checker.suites(&document.suites)?;
    let budgets = document.suites.launch_count.iter().flat_map(|section| &section.budgets);
    let budgets = budgets.map(|section| checker.budget(section)).collect::<Result<_, _>>()?;
    let operators = collect(&document.operators, |entry| checker.operator(entry))?;
    let datasets = collect(&document.datasets, |entry| checker.dataset(entry, &operators))?;
    let excludes = document.exclude.iter().map(|section| checker.exclude(section)).collect::<Result<_, _>>()?;
    let overrides = document
        .overrides
        .iter()
        .map(|section| checker.override_section(section, &suites))
        .collect::<Result<_, _>>()?;
    let thresholds = checker.thresholds(&document.suites)?;
    let releases = checker.releases(&document.suites)?;
    let recipe = checker.recipe(&document.suites, &operators)?;
    let approvals = checker.approvals(&document.suites)?;
    let collectives = checker.collectives(&document.suites)?;
    let faults = checker.faults(&document.suites)?;
    let (timed, untimed): (Vec<_>, Vec<_>) = suites.into_iter().partition(SuiteSettings::is_timed);
    let names = Names {
        suites: &untimed,
        operators: &operators,
        datasets: &datasets,
        releases: &releases,
        collectives: &collectives,
        faults: &faults,
    };
    let profiles = collect(&document.profiles, |entry| checker.profile(entry, &names))?;
    let names = Names { suites: &timed, ..names };
    let (benchmarks, benchmarks_place) = match &document.benchmarks {
        Some(benchmarks) if timed.is_empty() => {
            let message = "`benchmarks` run the suite `performance`, which is not among the `suites` of this matrix";
            return Err(source.diagnostic(benchmarks.place, message));
        }
        Some(benchmarks) => (collect(benchmarks, |entry| checker.profile(entry, &names))?, benchmarks.place),
        None => (Vec::new(), Place::START),
    };
    if profiles.is_empty() {
        return Err(source.diagnostic(document.profiles.place, "there is no profile: nothing could be asked for"));
    }
    Ok(Matrix {
        seed: document.seed,
        devices,
        limits,
        budgets,
        operators,
        datasets,
        excludes,
        overrides,
        thresholds,
        releases,
        recipe,
        collectives,
        faults,
        approvals,
        profiles,
        profiles_place: document.profiles.place,
        benchmarks,
        benchmarks_place,
        source,
    })
}

pub(super) fn collect<T, R>(
    entries: &Entries<T>,
    row: impl Fn(&Entry<T>) -> Result<R, Diagnostic>,
) -> Result<Vec<R>, Diagnostic> {
    entries.iter().map(row).collect()
}

/// The names that a selection may use.
struct Names<'a> {
    suites: &'a [SuiteSettings],
    operators: &'a [OperatorRow],
    datasets: &'a [DatasetRow],
    releases: &'a [Release],
    collectives: &'a [CollectiveGroup],
    faults: &'a [FaultGroup],
}

/// What every check needs.
pub(super) struct Checker<'a> {
    source: &'a Source,
    registry: &'a Registry,
}

impl Checker<'_> {
    pub(super) fn fault(&self, place: Place, message: impl Into<String>) -> Diagnostic {
        self.source.diagnostic(place, message)
    }

    fn limits(&self, section: &LimitsSection) -> Result<Limits, Diagnostic> {
        let LimitsSection { deadline_s, memory_mib } = section;
        let scaled = |number: &Located<u64>, unit: u64| match number.checked_mul(unit) {
            Some(scaled) if scaled > 0 => Ok(scaled),
            Some(_) | None => Err(self.fault(number.place, "a limit must be an integer of at least 1")),
        };
        Ok(Limits {
            deadline_ms: scaled(deadline_s, 1_000)?,
            memory_bytes: memory_mib.as_ref().map(|memory_mib| scaled(memory_mib, 1 << 20)).transpose()?,
            fresh_process: false,
        })
    }

    fn suites(&self, section: &SuitesSection) -> Result<Vec<SuiteSettings>, Diagnostic> {
        let SuitesSection { determinism, accuracy, launch_count, backward_compat, multi_gpu, performance } = section;
        let determinism = determinism.as_ref().map(|settings| Located {
            value: SuiteSettings::Determinism(settings.value.clone()),
            place: settings.place,
        });
        let accuracy = accuracy
            .as_ref()
            .map(|settings| Located { value: SuiteSettings::Accuracy(settings.value.clone()), place: settings.place });
        // Cells get their budgets when they are planned.
        let launch_count = launch_count.as_ref().map(|_| SuiteSettings::LaunchCount(LaunchCountSettings::default()));
        // And what was approved of them.
        let backward_compat =
            backward_compat.as_ref().map(|_| SuiteSettings::BackwardCompat(BackwardCompatSettings::default()));
        let performance = performance.as_ref().map(|section| Located {
            value: SuiteSettings::Performance(section.settings.clone()),
            place: section.place,
        });
        let multi_gpu = multi_gpu.as_ref().map(|section| Located {
            value: SuiteSettings::MultiGpu(MultiGpuSettings { joint: None, ..section.settings.value.clone() }),
            place: section.settings.place,
        });
        let suites = determinism.into_iter().chain(accuracy).chain(multi_gpu).chain(performance);
        suites
            .map(|suite| match suite.check() {
                Ok(()) => Ok(suite.value),
                Err(invalid) => Err(self.fault(suite.place, format!("suite `{}`: {invalid}", suite.name()))),
            })
            .chain(launch_count.into_iter().chain(backward_compat).map(Ok))
            .collect()
    }

    fn budget(&self, section: &BudgetSection) -> Result<Budget, Diagnostic> {
        let BudgetSection { cells, kernels, copies, memsets } = section;
        let settings = LaunchCountSettings {
            kernels: kernels.iter().map(|entry| (entry.key.value.clone(), entry.value.value)).collect(),
            copies: *copies,
            memsets: *memsets,
        };
        if settings.kernels.values().all(|&launches| launches == 0) {
            let message = "this budget has no launch, and a call that launches nothing never passes";
            return Err(self.fault(kernels.place, message).help("name the kernels and how often each is launched"));
        }
        let kernel_places = kernels.iter().map(|entry| (entry.key.value.clone(), entry.key.place)).collect();
        Ok(Budget { cells: Pattern::new(cells), place: cells.place, settings, kernel_places })
    }

    fn thresholds(&self, section: &SuitesSection) -> Result<Vec<CellThreshold>, Diagnostic> {
        let sections = section.performance.iter().flat_map(|section| &section.thresholds);
        sections
            .map(|ThresholdSection { cells, series, at_most_of_copy }| {
                if !(at_most_of_copy.is_finite() && at_most_of_copy.value > 0.0) {
                    return Err(self.fault(at_most_of_copy.place, "a ratio must be a positive number, such as 1.05"));
                }
                let threshold = Threshold { series: series.value, at_most_of_copy: at_most_of_copy.value };
                let (place, series_place) = (cells.place, series.place);
                Ok(CellThreshold { cells: Pattern::new(cells), place, series_place, threshold })
            })
            .collect()
    }

    fn operator(&self, entry: &Entry<OperatorSection>) -> Result<OperatorRow, Diagnostic> {
        let operator = self.find_operator(&entry.key)?;
        let dtypes = self.dtypes(&entry.value.dtypes, operator.dtypes(), &entry.key)?;
        let group = |group: &Entry<Vec<Located<ProblemSection>>>| {
            self.check_name(&group.key)?;
            if group.value.is_empty() {
                return Err(self.fault(group.key.place, format!("the group `{}` has no problem", group.key.value)));
            }
            let mut problems = Vec::new();
            for written in group.value.iter() {
                let dtypes = self.dtypes(&written.dtypes, &dtypes, &entry.key)?;
                for arguments in Arguments::combinations(&written.arguments, written.place, operator, self.source)? {
                    for &dtype in &dtypes {
                        arguments.problem(operator, dtype, self.source)?;
                    }
                    problems.push(ProblemRow { arguments, dtypes: dtypes.clone() });
                }
            }
            Ok(ProblemGroup { name: group.key.value.clone(), problems })
        };
        let groups = collect(&entry.value.problems, group)?;
        Ok(OperatorRow { name: entry.key.value.clone(), dtypes, groups })
    }

    fn dataset(&self, entry: &Entry<DatasetSection>, operators: &[OperatorRow]) -> Result<DatasetRow, Diagnostic> {
        self.check_name(&entry.key)?;
        let DatasetSection { file, format, operator: name, parameters, dtypes, rate_hz, expect } = &entry.value.value;
        let operator = self.find_operator(name)?;
        let Some(row) = operators.iter().find(|row| row.name == **name) else {
            return Err(self.fault(name.place, format!("`{}` is not among the `operators` of this matrix", **name)));
        };
        if file.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(self
                .fault(file.place, "a recorded input is a file below the data folder")
                .label("expected a relative path without `.` and `..`"));
        }
        if let Some(rate_hz) = rate_hz.as_ref().filter(|rate_hz| !(rate_hz.is_finite() && rate_hz.value > 0.0)) {
            return Err(self.fault(rate_hz.place, "a rate must be a positive number of hertz"));
        }
        let dtypes = self.dtypes(dtypes, &row.dtypes, &entry.key)?;
        let place = parameters.as_ref().map_or(entry.key.place, |parameters| parameters.place);
        let none = Entries::default();
        let written = parameters.as_ref().map_or(&none, |parameters| &parameters.value);
        let arguments = Arguments::combinations(written, place, operator, self.source)?;
        for combination in &arguments {
            for &dtype in &dtypes {
                combination.partial_problem(operator, dtype, self.source)?;
            }
        }
        let spec = DatasetSpec {
            file: file.value.clone(),
            format: *format,
            operator: name.value.clone(),
            parameters: Parameters::default(),
            rate_hz: rate_hz.as_ref().map(|rate_hz| rate_hz.value),
            expect: expect.clone(),
        };
        Ok(DatasetRow { name: entry.key.value.clone(), spec, dtypes, arguments })
    }

    fn exclude(&self, section: &ExcludeSection) -> Result<Exclude, Diagnostic> {
        let ExcludeSection { cells, reason } = section;
        self.check_reason(reason)?;
        Ok(Exclude { cells: Pattern::new(cells), place: cells.place, reason: reason.value.clone() })
    }

    fn override_section(&self, section: &OverrideSection, suites: &[SuiteSettings]) -> Result<Override, Diagnostic> {
        let OverrideSection { cells, set, reason, expires } = section;
        self.check_reason(reason)?;
        Ok(Override {
            cells: Pattern::new(cells),
            place: cells.place,
            changes: Changes::new(set.clone(), suites, self.source)?,
            expires: expires.as_ref().map(|written| self.expiry(written)).transpose()?,
        })
    }

    pub(super) fn expiry(&self, written: &Located<String>) -> Result<Expiry, Diagnostic> {
        let invalid = |_| self.fault(written.place, "expected a date as YYYY-MM-DD");
        let date: Date = written.value.parse().map_err(invalid)?;
        Ok(Expiry { date, place: written.place })
    }

    fn profile(&self, entry: &Entry<ProfileSection>, names: &Names<'_>) -> Result<Profile, Diagnostic> {
        self.check_name(&entry.key)?;
        let ProfileSection { description, requires, retries, set, select } = &entry.value.value;
        let selection = |section: &Located<SelectionSection>| self.selection(section, names);
        Ok(Profile {
            name: entry.key.value.clone(),
            description: description.clone(),
            requires: requires.clone(),
            retries: *retries,
            place: entry.key.place,
            suites: names.suites.to_vec(),
            changes: Changes::new(set.clone(), names.suites, self.source)?,
            selections: select.iter().map(selection).collect::<Result<_, _>>()?,
        })
    }

    fn selection(&self, section: &Located<SelectionSection>, names: &Names<'_>) -> Result<Selection, Diagnostic> {
        let SelectionSection {
            suites,
            operators,
            devices,
            dtypes,
            problems,
            distributions,
            datasets,
            goldens,
            worlds,
            collectives,
            partitions,
            data_parallel,
            faults,
            set,
        } = &section.value;
        let known_suites: Vec<_> = names.suites.iter().map(SuiteSettings::name).collect();
        let known_operators: Vec<_> = names.operators.iter().map(|row| row.name.as_str()).collect();
        let known_datasets: Vec<_> = names.datasets.iter().map(|row| row.name.as_str()).collect();
        self.check_choice("suite", suites, &known_suites)?;
        self.check_choice("operator", operators, &known_operators)?;
        let known_releases: Vec<_> = names.releases.iter().map(|release| release.name.as_str()).collect();
        self.check_choice("dataset", datasets, &known_datasets)?;
        self.check_choice("release", goldens, &known_releases)?;
        let chosen = names.operators.iter().filter(|row| operators.contains(row.name.as_str()));
        let groups: Vec<_> = chosen.flat_map(|row| &row.groups).map(|group| group.name.as_str()).collect();
        self.check_choice("group of problems", problems, &groups)?;
        let known_collectives: Vec<_> = names.collectives.iter().map(|group| group.name.as_str()).collect();
        self.check_choice("group of collectives", collectives, &known_collectives)?;
        let known_faults: Vec<_> = names.faults.iter().map(|group| group.within.name.as_str()).collect();
        self.check_choice("group of faults", faults, &known_faults)?;
        let suites_here: Vec<_> = names.suites.iter().filter(|suite| suites.contains(suite.name())).cloned().collect();
        Ok(Selection {
            place: section.place,
            suites: suites.clone(),
            operators: operators.clone(),
            devices: devices.clone(),
            dtypes: dtypes.clone(),
            problems: problems.clone(),
            distributions: distributions.clone(),
            datasets: datasets.clone(),
            goldens: goldens.clone(),
            worlds: self.worlds(worlds)?,
            collectives: collectives.clone(),
            partitions: partitions.clone(),
            data_parallel: *data_parallel,
            faults: faults.clone(),
            changes: Changes::new(set.clone(), &suites_here, self.source)?,
        })
    }

    fn find_operator(&self, name: &Located<String>) -> Result<&dyn Operator, Diagnostic> {
        self.registry.get(name).map(|operator| &**operator).ok_or_else(|| {
            let names: Vec<_> = self.registry.iter().map(|operator| operator.name()).collect();
            self.fault(name.place, format!("unknown operator `{}`", name.value)).label(one_of(name, &names))
        })
    }

    /// The chosen dtypes, in the order of `legal`.
    fn dtypes(&self, chosen: &Choice<DType>, legal: &[DType], of: &Located<String>) -> Result<Vec<DType>, Diagnostic> {
        let names: Vec<_> = legal.iter().map(|dtype| dtype.name()).collect();
        for dtype in chosen.named() {
            if !legal.contains(dtype) {
                let message = format!("`{}` has no dtype `{}`", of.value, dtype.value);
                return Err(self.fault(dtype.place, message).label(format!("it has {}", names.join(", "))));
            }
        }
        let dtypes: Vec<_> = legal.iter().copied().filter(|dtype| chosen.contains(dtype)).collect();
        match dtypes.as_slice() {
            [] => Err(self.fault(of.place, format!("`{}` has no dtype left: no cell could run", of.value))),
            [_, ..] => Ok(dtypes),
        }
    }

    pub(super) fn check_choice(&self, noun: &str, choice: &Choice<String>, known: &[&str]) -> Result<(), Diagnostic> {
        match choice.named().iter().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let mut known = known.to_vec();
                known.sort_unstable();
                known.dedup();
                let message = format!("unknown {noun} `{}`", name.value);
                Err(self.fault(name.place, message).label(one_of(name, &known)))
            }
        }
    }

    /// Names become parts of cell names, of file names and of command lines.
    pub(super) fn check_name(&self, name: &Located<String>) -> Result<(), Diagnostic> {
        let legal = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.');
        if !name.is_empty() && name.chars().all(legal) {
            return Ok(());
        }
        let message = format!("`{}` cannot be a name here", name.value);
        Err(self.fault(name.place, message).label("expected ASCII letters, digits, `_`, `-` and `.`"))
    }

    pub(super) fn check_reason(&self, reason: &Located<String>) -> Result<(), Diagnostic> {
        if reason.trim().is_empty() {
            return Err(self.fault(reason.place, "a reason must say something"));
        }
        Ok(())
    }
}
