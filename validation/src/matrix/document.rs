//! The file as it is written: what its keys are, before anything is looked up.
//!
//! These types are the reference of the format. The program's JSON Schema is made from them, their comments included.

use fault_injection::RankFault;
use robocache_core::{
    collective::Collective, distribution::Distribution, dtype::DType, sharding::Partition, timing::Series,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::{
    choice::Choice, entries::Entries, literal::Literal, place::Located, problem::ProblemSection,
    requirement::Requirement,
};
use crate::{
    cell::Device,
    dataset::{DatasetFormat, Expectation},
    suites::{AccuracySettings, DeterminismSettings, LaunchCountSettings, MultiGpuSettings, PerformanceSettings},
};

/// What is validated: suites x operators x devices x dtypes x problems x inputs, and the profiles that select from it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "RoboCache validation matrix")]
pub(crate) struct Document {
    /// The version of this format: 1.
    #[expect(dead_code, reason = "read and judged before the rest; here so that it is a known key")]
    #[schemars(range(min = 1, max = 1))]
    pub(crate) version: u64,
    /// The number from which the seed of every cell is derived, together with the cell's name alone.
    pub(crate) seed: u64,
    /// Where operators run.
    #[schemars(length(min = 1))]
    pub(crate) devices: Vec<Located<Device>>,
    /// What every cell may use unless `set` says otherwise.
    pub(crate) limits: LimitsSection,
    /// The suites, with the settings that hold unless `set` says otherwise.
    pub(crate) suites: SuitesSection,
    /// The operators, by name, with their problems.
    pub(crate) operators: Entries<OperatorSection>,
    /// Recorded inputs, by name.
    #[serde(default)]
    pub(crate) datasets: Entries<DatasetSection>,
    /// Cells that are not executed, and why.
    #[serde(default)]
    pub(crate) exclude: Vec<ExcludeSection>,
    /// Cells that are told something else than their profile says, and why.
    #[serde(default, rename = "override")]
    pub(crate) overrides: Vec<OverrideSection>,
    /// Named selections of cells.
    pub(crate) profiles: Located<Entries<ProfileSection>>,
    /// Named selections of cells that are timed: profiles of the suite `performance`, which no other profile runs.
    #[serde(default)]
    pub(crate) benchmarks: Option<Located<Entries<ProfileSection>>>,
}

/// Explicit limits of resources.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsSection {
    /// Wall-clock seconds after which a cell's worker is killed.
    #[schemars(range(min = 1))]
    pub(crate) deadline_s: Located<u64>,
    /// Host memory in MiB that a cell's worker may allocate; without it there is no limit.
    #[schemars(range(min = 1))]
    pub(crate) memory_mib: Option<Located<u64>>,
}

/// The settings of each suite. A suite that is left out is not run.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SuitesSection {
    /// The same bits in every way of running.
    pub(crate) determinism: Option<Located<DeterminismSettings>>,
    /// The right values, within a derived bound.
    pub(crate) accuracy: Option<Located<AccuracySettings>>,
    /// As few launches as budgeted, and nothing else; on GPUs.
    pub(crate) launch_count: Option<LaunchCountSection>,
    /// The bits of earlier releases.
    pub(crate) backward_compat: Option<BackwardCompatSection>,
    /// Several ranks, each on a device of its own, that do things together.
    pub(crate) multi_gpu: Option<MultiGpuSection>,
    /// Time, beside a copy of as many bytes; for `benchmarks`.
    pub(crate) performance: Option<Located<PerformanceSection>>,
}

/// The settings of the launch_count suite.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LaunchCountSection {
    /// What one call does to a GPU. The first budget that matches a cell is the cell's, and every cell needs one.
    pub(crate) budgets: Vec<BudgetSection>,
}

/// What one call of some cells does to a GPU, exactly. Allocations and synchronisations are never budgeted.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BudgetSection {
    /// Names of cells; `*` stands for any characters, `?` for one.
    pub(crate) cells: Located<String>,
    /// Patterns of kernel names, and how many launches of kernels of such names there must be. A kernel that is named
    /// without `*` and `?` is not counted by any other pattern.
    pub(crate) kernels: Located<Entries<u64>>,
    /// How many copies there must be; none if left out.
    #[serde(default)]
    pub(crate) copies: u64,
    /// How many memsets there must be; none if left out.
    #[serde(default)]
    pub(crate) memsets: u64,
}

/// The settings of the backward_compat suite. A selection chooses among its releases with `goldens`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackwardCompatSection {
    /// The releases whose goldens must be reproduced, each with BLAKE3 of its `goldens/RELEASE/manifest.json`, in
    /// hexadecimal, as `validation golden write` prints it. The folder `goldens` lies beside this file.
    #[serde(default)]
    #[schemars(schema_with = "hashes")]
    pub(crate) releases: Entries<String>,
    /// What `validation golden write` makes goldens of.
    #[serde(default)]
    pub(crate) write: Option<GoldenSection>,
    /// Changes since a release that somebody wanted.
    #[serde(default)]
    pub(crate) approved: Vec<ApprovalSection>,
}

/// What goldens are made of: every combination, in every dtype of these problems.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GoldenSection {
    /// Groups of problems.
    pub(crate) problems: Choice<String>,
    /// Distributions, of those that each operator has.
    #[serde(default = "Choice::<Distribution>::all")]
    #[schemars(schema_with = "distributions")]
    pub(crate) distributions: Choice<Distribution>,
}

/// A change since a release that somebody wanted. One that is not there is an error, as is one that matches no cell.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApprovalSection {
    /// Names of cells; `*` stands for any characters, `?` for one.
    pub(crate) cells: Located<String>,
    /// What has changed.
    pub(crate) change: Change,
    /// Why.
    #[schemars(length(min = 1))]
    pub(crate) reason: Located<String>,
    /// The last day, as YYYY-MM-DD, on which this may hold; after it the matrix is invalid.
    #[schemars(extend("format" = "date"))]
    pub(crate) expires: Located<String>,
}

/// What has changed since a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Change {
    /// What the operator makes of the same inputs.
    Results,
    /// What the generator makes of the same seed.
    Inputs,
}

/// The settings of the multi_gpu suite, and what ranks do together. A selection chooses among the groups with
/// `collectives` and `faults`, and among the numbers of ranks with `worlds`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MultiGpuSection {
    /// The settings that hold unless `set` says otherwise.
    pub(crate) settings: Located<MultiGpuSettings>,
    /// Named groups of collectives: every combination of what is listed.
    #[serde(default)]
    pub(crate) collectives: Entries<CollectiveSection>,
    /// Named groups of faults: every combination of what is listed.
    #[serde(default)]
    pub(crate) faults: Entries<FaultSection>,
}

/// Collectives on data of which every result is known beforehand.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CollectiveSection {
    /// The collectives, such as `all_reduce_sum`.
    #[schemars(schema_with = "collectives")]
    pub(crate) operations: Choice<String>,
    /// Element types; all if left out.
    #[serde(default = "Choice::<DType>::all")]
    #[schemars(schema_with = "dtypes")]
    pub(crate) dtypes: Choice<DType>,
    /// Elements in one block: what a rank contributes to a gather, or gets of a scatter.
    #[schemars(length(min = 1))]
    pub(crate) blocks: Located<Vec<u32>>,
}

/// Ranks that are lost while the others do a collective.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaultSection {
    /// What befalls the rank, such as `killed_inside`.
    #[schemars(schema_with = "rank_faults")]
    pub(crate) faults: Choice<String>,
    /// The collectives, such as `all_reduce_sum`.
    #[schemars(schema_with = "collectives")]
    pub(crate) operations: Choice<String>,
    /// Element types; all if left out.
    #[serde(default = "Choice::<DType>::all")]
    #[schemars(schema_with = "dtypes")]
    pub(crate) dtypes: Choice<DType>,
    /// Elements in one block.
    #[schemars(length(min = 1))]
    pub(crate) blocks: Located<Vec<u32>>,
}

/// The settings of the performance suite, and what it demands of which cells.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PerformanceSection {
    /// The settings that hold unless `set` says otherwise.
    pub(crate) settings: PerformanceSettings,
    /// The largest ratios to a copy of as many bytes. Times themselves are never limited: they differ from machine to
    /// machine and from day to day.
    #[serde(default)]
    pub(crate) thresholds: Vec<ThresholdSection>,
}

/// What the median ratio of some cells may be.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ThresholdSection {
    /// Names of cells; `*` stands for any characters, `?` for one.
    pub(crate) cells: Located<String>,
    /// The series that is meant: `cold` or `hot` on a CPU; `cold`, `stream` or `graph` on a GPU.
    #[schemars(schema_with = "series")]
    pub(crate) series: Located<Series>,
    /// The largest ratio of the time of a call to that of the copy.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(crate) at_most_of_copy: Located<f64>,
}

/// One operator.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OperatorSection {
    /// Element types of the data; all that the operator has if left out.
    #[serde(default = "Choice::<DType>::all")]
    #[schemars(schema_with = "dtypes")]
    pub(crate) dtypes: Choice<DType>,
    /// Named groups of problems. An argument may be one value or a list of values, one problem for each of them; several
    /// such lists make a problem for every combination. `dtypes` narrows the element types of these problems.
    pub(crate) problems: Entries<Vec<Located<ProblemSection>>>,
}

/// A recorded input.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DatasetSection {
    /// The file, relative to the data folder.
    pub(crate) file: Located<String>,
    /// How it is read.
    pub(crate) format: DatasetFormat,
    /// The operator that it feeds.
    pub(crate) operator: Located<String>,
    /// The operator's arguments that the recording does not decide; lists as in problems.
    #[serde(default)]
    pub(crate) parameters: Option<Located<Entries<Literal>>>,
    /// Element types to which the data is rounded; those of the operator in this matrix if left out.
    #[serde(default = "Choice::<DType>::all")]
    #[schemars(schema_with = "dtypes")]
    pub(crate) dtypes: Choice<DType>,
    /// For trajectories: the rate in hertz of the uniform timeline onto which the recording is resampled.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(crate) rate_hz: Option<Located<f64>>,
    /// What must come of it: `accepted`, or `rejected` with the kind of fault.
    #[serde(default)]
    pub(crate) expect: Expectation,
}

/// Cells that are not executed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExcludeSection {
    /// Names of cells; `*` stands for any characters, `?` for one.
    pub(crate) cells: Located<String>,
    /// Why.
    #[schemars(length(min = 1))]
    pub(crate) reason: Located<String>,
}

/// Cells that are told something else than their profile says.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OverrideSection {
    /// Names of cells; `*` stands for any characters, `?` for one.
    pub(crate) cells: Located<String>,
    /// The settings and limits that they get instead.
    #[schemars(schema_with = "changes")]
    pub(crate) set: Entries<serde_json::Value>,
    /// Why.
    #[schemars(length(min = 1))]
    pub(crate) reason: Located<String>,
    /// The last day, as YYYY-MM-DD, on which this may hold. Needed where a check gets looser; after it the matrix is
    /// invalid.
    #[schemars(extend("format" = "date"))]
    pub(crate) expires: Option<Located<String>>,
}

/// A named selection of cells, and what it needs.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileSection {
    /// One sentence on what it is for.
    pub(crate) description: String,
    /// What the machine must have; if it lacks any of it, the run is INCOMPLETE.
    #[serde(default)]
    pub(crate) requires: Vec<Requirement>,
    /// How often a cell that crashed or timed out is executed again. A wrong result is never retried.
    #[serde(default)]
    pub(crate) retries: u32,
    /// Settings and limits that its cells get.
    #[serde(default)]
    #[schemars(schema_with = "changes")]
    pub(crate) set: Entries<serde_json::Value>,
    /// Its cells are those of all these selections; no cell may be in two of them.
    #[schemars(length(min = 1))]
    pub(crate) select: Located<Vec<Located<SelectionSection>>>,
}

/// Every combination of what is listed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SelectionSection {
    /// Suites, by name.
    #[serde(default = "Choice::<String>::all")]
    pub(crate) suites: Choice<String>,
    /// Operators, by name.
    #[serde(default = "Choice::<String>::all")]
    pub(crate) operators: Choice<String>,
    /// Devices.
    #[serde(default = "Choice::<Device>::all")]
    pub(crate) devices: Choice<Device>,
    /// Element types, of those that each operator lists.
    #[serde(default = "Choice::<DType>::all")]
    #[schemars(schema_with = "dtypes")]
    pub(crate) dtypes: Choice<DType>,
    /// Groups of problems with generated inputs; none if left out.
    #[serde(default = "Choice::<String>::none")]
    pub(crate) problems: Choice<String>,
    /// Distributions of generated inputs, of those that each operator has.
    #[serde(default = "Choice::<Distribution>::all")]
    #[schemars(schema_with = "distributions")]
    pub(crate) distributions: Choice<Distribution>,
    /// Recorded inputs; none if left out.
    #[serde(default = "Choice::<String>::none")]
    pub(crate) datasets: Choice<String>,
    /// Releases whose goldens the suite backward_compat reproduces; none if left out.
    #[serde(default = "Choice::<String>::none")]
    pub(crate) goldens: Choice<String>,
    /// Numbers of ranks with which the suite multi_gpu runs what is selected; none if left out.
    #[serde(default)]
    #[schemars(inner(range(min = 1, max = 16)))]
    pub(crate) worlds: Vec<Located<u64>>,
    /// Groups of collectives that it runs; none if left out.
    #[serde(default = "Choice::<String>::none")]
    pub(crate) collectives: Choice<String>,
    /// How it divides the batches of `problems` among ranks; in every way if left out.
    #[serde(default = "Choice::<Partition>::all")]
    #[schemars(schema_with = "partitions")]
    pub(crate) partitions: Choice<Partition>,
    /// Whether it trains data-parallel.
    #[serde(default)]
    pub(crate) data_parallel: bool,
    /// Groups of faults that befall its ranks; none if left out.
    #[serde(default = "Choice::<String>::none")]
    pub(crate) faults: Choice<String>,
    /// Settings and limits that these cells get.
    #[serde(default)]
    #[schemars(schema_with = "changes")]
    pub(crate) set: Entries<serde_json::Value>,
}

fn choice(words: &[&str]) -> Schema {
    json_schema!({ "anyOf": [{ "const": "all" }, { "type": "array", "items": { "enum": words } }] })
}

fn hashes(_: &mut SchemaGenerator) -> Schema {
    let hash = serde_json::json!({ "type": "string", "minLength": 64 });
    json_schema!({ "type": "object", "additionalProperties": hash })
}

fn series(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": Series::ALL.map(Series::name) })
}

fn dtypes(_: &mut SchemaGenerator) -> Schema {
    choice(&DType::ALL.map(DType::name))
}

fn collectives(_: &mut SchemaGenerator) -> Schema {
    let words: Vec<_> = Collective::all().map(|collective| collective.to_string()).collect();
    choice(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

fn partitions(_: &mut SchemaGenerator) -> Schema {
    choice(&Partition::ALL.map(Partition::name))
}

fn rank_faults(_: &mut SchemaGenerator) -> Schema {
    let words: Vec<_> = RankFault::all().map(|fault| fault.to_string()).collect();
    choice(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

fn distributions(_: &mut SchemaGenerator) -> Schema {
    let words: Vec<_> = Distribution::ALL.iter().map(|distribution| distribution.name()).collect();
    choice(&words)
}

/// What `set` may say: limits, and the settings of any suite.
fn changes(generator: &mut SchemaGenerator) -> Schema {
    let mut properties = serde_json::Map::new();
    for section in [
        LimitsSection::json_schema(generator),
        DeterminismSettings::json_schema(generator),
        AccuracySettings::json_schema(generator),
        LaunchCountSettings::json_schema(generator),
        MultiGpuSettings::json_schema(generator),
        PerformanceSettings::json_schema(generator),
    ] {
        if let Some(serde_json::Value::Object(more)) = section.get("properties") {
            properties.extend(more.clone());
        }
    }
    let description = "Whether each of these cells gets a worker process of its own.";
    properties.insert("own_process".to_owned(), serde_json::json!({ "type": "boolean", "description": description }));
    json_schema!({ "type": "object", "additionalProperties": false, "properties": properties })
}
