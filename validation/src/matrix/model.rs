//! The matrix, checked: every name in it is known, and every argument is valid.

use std::{collections::BTreeMap, fmt};

use fault_injection::RankFault;
use jiff::civil::Date;
use robocache_core::{collective::Collective, distribution::Distribution, dtype::DType, sharding::Partition};
use serde::{Deserialize, Serialize};

use super::{
    Diagnostic, Requirement, arguments::Arguments, changes::Changes, choice::Choice, document::Change,
    pattern::Pattern, place::Place, source::Source, suggestion::one_of,
};
use crate::{
    cell::{Cell, Device, Input, Limits},
    dataset::DatasetSpec,
    suites::{LaunchCountSettings, SuiteSettings, Threshold},
};

/// A matrix whose names and arguments are known to be valid.
#[derive(Clone, Debug)]
pub struct Matrix {
    pub(crate) source: Source,
    pub(crate) seed: u64,
    pub(crate) devices: Vec<Device>,
    pub(crate) limits: Limits,
    pub(crate) budgets: Vec<Budget>,
    pub(crate) operators: Vec<OperatorRow>,
    pub(crate) datasets: Vec<DatasetRow>,
    pub(crate) excludes: Vec<Exclude>,
    pub(crate) overrides: Vec<Override>,
    pub(crate) thresholds: Vec<CellThreshold>,
    pub(crate) releases: Vec<Release>,
    pub(crate) recipe: Option<Recipe>,
    pub(crate) collectives: Vec<CollectiveGroup>,
    pub(crate) faults: Vec<FaultGroup>,
    pub(crate) approvals: Vec<ApprovedChange>,
    pub(crate) profiles: Vec<Profile>,
    /// Where the profiles are listed.
    pub(crate) profiles_place: Place,
    pub(crate) benchmarks: Vec<Profile>,
    /// Where the benchmarks are listed; the start of the file if there are none.
    pub(crate) benchmarks_place: Place,
}

/// What calls of some cells may launch. The first that matches a cell is the cell's.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    pub(crate) cells: Pattern,
    pub(crate) place: Place,
    pub(crate) settings: LaunchCountSettings,
    /// Where each pattern of kernel names was written.
    pub(crate) kernel_places: BTreeMap<String, Place>,
}

/// An operator with its problems.
#[derive(Clone, Debug)]
pub(crate) struct OperatorRow {
    pub(crate) name: String,
    pub(crate) dtypes: Vec<DType>,
    pub(crate) groups: Vec<ProblemGroup>,
}

/// Problems of one name.
#[derive(Clone, Debug)]
pub(crate) struct ProblemGroup {
    pub(crate) name: String,
    pub(crate) problems: Vec<ProblemRow>,
}

/// One problem.
#[derive(Clone, Debug)]
pub(crate) struct ProblemRow {
    pub(crate) arguments: Arguments,
    pub(crate) dtypes: Vec<DType>,
}

/// A recorded input: one dataset for each combination of its arguments.
#[derive(Clone, Debug)]
pub(crate) struct DatasetRow {
    pub(crate) name: String,
    pub(crate) spec: DatasetSpec,
    pub(crate) dtypes: Vec<DType>,
    pub(crate) arguments: Vec<Arguments>,
}

/// Cells that are not executed.
#[derive(Clone, Debug)]
pub(crate) struct Exclude {
    pub(crate) cells: Pattern,
    pub(crate) place: Place,
    pub(crate) reason: String,
}

/// Cells that are told something else than their profile says.
#[derive(Clone, Debug)]
pub(crate) struct Override {
    pub(crate) cells: Pattern,
    pub(crate) place: Place,
    pub(crate) changes: Changes,
    pub(crate) expires: Option<Expiry>,
}

/// What the median ratio of some cells may be at the most.
#[derive(Clone, Debug)]
pub(crate) struct CellThreshold {
    pub(crate) cells: Pattern,
    pub(crate) place: Place,
    pub(crate) series_place: Place,
    pub(crate) threshold: Threshold,
}

/// A release whose goldens must be reproduced.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    pub(crate) name: String,
    pub(crate) place: Place,
    /// BLAKE3 of its manifest, in hexadecimal.
    pub(crate) manifest_hash: String,
}

/// What goldens are made of.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) problems: Choice<String>,
    pub(crate) distributions: Choice<Distribution>,
}

/// Transfers of one name: every combination.
#[derive(Clone, Debug)]
pub(crate) struct CollectiveGroup {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) operations: Vec<Collective>,
    pub(crate) dtypes: Vec<DType>,
    /// Elements in a block.
    pub(crate) blocks: Vec<usize>,
}

impl CollectiveGroup {
    /// What is done, on which elements, and how many in a block.
    pub(crate) fn transfers(&self) -> impl Iterator<Item = (Collective, DType, usize)> {
        let Self { operations, dtypes, blocks, .. } = self;
        operations.iter().flat_map(move |&operation| {
            dtypes.iter().flat_map(move |&dtype| blocks.iter().map(move |&block| (operation, dtype, block)))
        })
    }
}

/// Faults of one name, each in each of the transfers.
#[derive(Clone, Debug)]
pub(crate) struct FaultGroup {
    pub(crate) within: CollectiveGroup,
    pub(crate) faults: Vec<RankFault>,
}

/// A change since a release that somebody wanted.
#[derive(Clone, Debug)]
pub(crate) struct ApprovedChange {
    pub(crate) cells: Pattern,
    pub(crate) place: Place,
    pub(crate) change: Change,
    pub(crate) reason: String,
    pub(crate) expires: Expiry,
}

/// The last day of an override or of an approval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expiry {
    pub(crate) date: Date,
    pub(crate) place: Place,
}

/// What a profile is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Its cells are right or wrong.
    #[default]
    Validation,
    /// Its cells are timed.
    Benchmark,
}

impl Kind {
    /// Whether it is the kind that is meant where none is named.
    pub fn is_validation(&self) -> bool {
        *self == Self::Validation
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Validation => "profile",
            Self::Benchmark => "benchmark",
        })
    }
}

/// A named selection of cells, and what it needs.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The name that is asked for.
    pub name: String,
    /// One sentence on what it is for.
    pub description: String,
    /// What the machine must have.
    pub requires: Vec<Requirement>,
    /// How often a cell that crashed or timed out is executed again.
    pub retries: u32,
    pub(crate) place: Place,
    /// The suites among which its selections choose.
    pub(crate) suites: Vec<SuiteSettings>,
    pub(crate) changes: Changes,
    pub(crate) selections: Vec<Selection>,
}

/// Every combination of what is chosen.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    pub(crate) place: Place,
    pub(crate) suites: Choice<String>,
    pub(crate) operators: Choice<String>,
    pub(crate) devices: Choice<Device>,
    pub(crate) dtypes: Choice<DType>,
    pub(crate) problems: Choice<String>,
    pub(crate) distributions: Choice<Distribution>,
    pub(crate) datasets: Choice<String>,
    /// Releases, for the suite backward_compat alone.
    pub(crate) goldens: Choice<String>,
    /// Numbers of ranks, for the suite multi_gpu alone, as is all up to the changes.
    pub(crate) worlds: Vec<usize>,
    /// Groups of collectives.
    pub(crate) collectives: Choice<String>,
    pub(crate) partitions: Choice<Partition>,
    pub(crate) data_parallel: bool,
    /// Groups of faults.
    pub(crate) faults: Choice<String>,
    pub(crate) changes: Changes,
}

impl Matrix {
    /// BLAKE3 of the file's bytes, in hexadecimal: which matrix some evidence is of.
    pub fn hash(&self) -> String {
        blake3::hash(self.source.text.as_bytes()).to_hex().to_string()
    }

    /// The file as it was read, for evidence.
    pub fn text(&self) -> &str {
        &self.source.text
    }

    /// The file's name as it was given.
    pub fn file_name(&self) -> &str {
        &self.source.name
    }

    /// The profiles in the order of the file.
    pub fn profiles(&self) -> &[Profile] {
        &self.profiles
    }

    /// The profiles of timed cells in the order of the file.
    pub fn benchmarks(&self) -> &[Profile] {
        &self.benchmarks
    }

    /// The profile of this name.
    pub fn profile(&self, name: &str) -> Result<&Profile, Diagnostic> {
        self.find(Kind::Validation, name)
    }

    /// The profile of this kind and name.
    pub fn find(&self, kind: Kind, name: &str) -> Result<&Profile, Diagnostic> {
        let (profiles, place) = match kind {
            Kind::Validation => (&self.profiles, self.profiles_place),
            Kind::Benchmark => (&self.benchmarks, self.benchmarks_place),
        };
        profiles.iter().find(|profile| profile.name == name).ok_or_else(|| {
            let names: Vec<_> = profiles.iter().map(|profile| profile.name.as_str()).collect();
            let message = format!("there is no {kind} `{name}` in this matrix");
            self.source.diagnostic(place, message).label(one_of(name, &names))
        })
    }

    /// The recorded inputs: name in the matrix and file relative to the data folder.
    pub fn datasets(&self) -> impl Iterator<Item = (&str, &str)> {
        self.datasets.iter().map(|dataset| (dataset.name.as_str(), dataset.spec.file.as_str()))
    }

    /// The releases whose goldens must be reproduced: the name of each, and BLAKE3 of its manifest in hexadecimal.
    pub fn releases(&self) -> impl Iterator<Item = (&str, &str)> {
        self.releases.iter().map(|release| (release.name.as_str(), release.manifest_hash.as_str()))
    }

    /// What the matrix says of a cell's recorded input, with the cell's own arguments; `None` if its input is generated
    /// or the cell is of another matrix.
    pub fn dataset(&self, cell: &Cell) -> Option<DatasetSpec> {
        match &cell.input {
            Input::Generated(_) | Input::Golden(_) | Input::Pattern => None,
            Input::Recorded(name) => {
                let row = self.datasets.iter().find(|dataset| dataset.name == *name)?;
                Some(DatasetSpec { parameters: cell.parameters.clone(), ..row.spec.clone() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Evidence leaves this kind out, and only this one.
    #[test]
    fn only_a_profile_validates() {
        assert!(Kind::Validation.is_validation() && !Kind::Benchmark.is_validation());
    }
}
