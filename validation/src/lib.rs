//! The validation framework: from a matrix to evidence.
//!
//! Data flow one way. [`validate`] is the whole of it:
//!
//! | step    | from                                | to                               | in              |
//! |---------|-------------------------------------|----------------------------------|-----------------|
//! | parse   | `matrix.yaml`                       | [`matrix::Matrix`]               | [`matrix`]      |
//! | expand  | matrix, profile, [`machine`] facts  | [`plan::Plan`] of [`cell`]s      | [`plan`]        |
//! | execute | a cell, in a [`worker`] process     | [`observation::Outcome`]: facts  | [`supervisor`], [`suites`] |
//! | judge   | a cell and its outcome              | [`verdict::Verdict`]             | [`verdict`]     |
//! | keep    | a failing cell and its tensors      | a [`bundle`] that can be replayed| [`bundle`]      |
//! | append  | cell, outcome and verdict           | [`evidence::Record`], durable    | [`evidence`]    |
//! | render  | records                             | terminal, JUnit, SVG             | [`report`]      |
//!
//! Expanding and judging are pure. Reports see records and nothing else.

pub mod bundle;
pub mod cell;
pub mod cli;
mod collection;
pub mod dataset;
pub mod evidence;
pub mod execution;
pub mod exit;
pub mod gate;
pub mod golden;
mod kernels;
mod locations;
pub mod machine;
pub mod matrix;
pub mod mutants;
pub mod numbers;
pub mod observation;
pub mod plan;
mod program;
pub mod protocol;
pub mod ranks;
pub mod report;
mod selection;
pub mod shard;
mod shell;
mod stop;
mod subject;
pub mod suites;
pub mod supervisor;
pub mod verdict;
pub mod worker;

use std::io;

use jiff::Zoned;
use robocache_core::{cuda::KernelFile, registry::Registry, subject::with_unknown_kernels};

use crate::{
    execution::Manner,
    exit::Exit,
    locations::Locations,
    machine::Machine,
    matrix::{Kind, Matrix},
    plan::Plan,
    program::EmptySelection,
    ranks::launched::Launched,
    supervisor::interrupt,
};
pub use crate::{
    kernels::UnusableKernels,
    program::{main, test_main},
    stop::Stop,
    subject::UnusableSubject,
};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The command line.
    pub arguments: cli::RunArguments,
    /// The profile, where the command line names none.
    default_profile: String,
    /// Whether its cells are validated or timed.
    kind: Kind,
    empty_selection: EmptySelection,
}

/// Runs the cells that are asked for and leaves evidence of them.
pub fn validate(registry: &Registry, ask: &Ask) -> Result<Exit, Stop> {
    let Ask { arguments, default_profile, kind, empty_selection } = ask;
    let profile = arguments.profile.as_ref().unwrap_or(default_profile);

    // Parse and expand: every mistake is found before anything runs.
    let (locations, matrix, machine, plan, kernels) = plan(registry, ask)?;
    let all = selection::of_launched(selection::select(&plan, arguments), machine.launched);
    let selected = selection::in_shard(&all, arguments.shard);
    if arguments.selection.list {
        selection::list(&selected, io::stdout());
        return Ok(Exit::Passed);
    }
    if all.is_empty() {
        return match empty_selection {
            EmptySelection::IsAccepted => Ok(Exit::Passed),
            EmptySelection::IsRefused => {
                Err(Stop::NothingSelected { profile: profile.clone(), launched: machine.launched })
            }
        };
    }

    // Execute, judge, append: a cell is shown when its record is durable.
    interrupt::install()?;
    let run = evidence::open(
        &locations.output,
        &matrix,
        (*kind, profile),
        &machine,
        (arguments, kernels.as_ref()),
        selected.len(),
    )?;
    let mut workers = vec!["worker".into()];
    workers.extend(subject::worker_arguments(arguments.subject.as_deref(), machine.subject.as_ref()));
    workers.extend(kernels::worker_arguments(kernels.as_ref()));
    workers.extend(machine.launched.iter().flat_map(Launched::worker_arguments));
    let supervisor = execution::start_supervisor(&machine, *kind, &arguments.selection, workers)?;
    let jobs = selected.iter().map(|planned| locations.attach(&matrix, &machine, planned)).collect();
    let manner = Manner { retries: matrix.find(*kind, profile)?.retries, quiet: arguments.is_quiet() };
    let execution = execution::execute(&run, jobs, &supervisor, manner)?;
    drop(supervisor);

    // What a shard cannot run, or does not have, is no shortfall where another has cells that can run here.
    let can_others_run = arguments.shard.is_some() && all.iter().any(|planned| planned.skip.is_none());
    if let Some(shard) = arguments.shard.filter(|_| selected.is_empty()) {
        report::print_line(format_args!("shard {shard} holds none of the {} selected cells", all.len()));
    }

    // Render: from the records alone, those of an earlier part of a resumed run included.
    let asked = report::Asked {
        cells: selected.iter().map(|planned| planned.cell.name.as_str()).collect(),
        missing_requirements: &plan.missing_requirements,
        may_all_be_skipped: *empty_selection == EmptySelection::IsAccepted || can_others_run,
    };
    report::publish(run, &asked, execution)
}

/// From the arguments to what they mean on this machine.
fn plan(registry: &Registry, ask: &Ask) -> Result<(Locations, Matrix, Machine, Plan, Option<KernelFile>), Stop> {
    ask.arguments.check()?;
    let locations = Locations::find(&ask.arguments)?;
    let profile = ask.arguments.profile.as_ref().unwrap_or(&ask.default_profile);
    let subject = ask.arguments.subject.as_deref().map(subject::look).transpose()?;
    // A subject's kernels have names of their own, of which a budget may name any.
    let registry = if subject.is_some() { with_unknown_kernels(registry) } else { registry.clone() };
    let matrix = Matrix::read(&locations.matrix, &registry)?;
    let kernels = ask.arguments.kernels.as_deref().map(kernels::read).transpose()?;
    let machine = kernels.as_ref().map_or_else(|| Ok(Machine::probe()), Machine::probe_with)?;
    let machine = Machine {
        datasets: locations.recordings(&matrix),
        goldens: golden::corpora(&locations.goldens, &matrix),
        subject,
        launched: ask.arguments.launched.map(Launched::find).transpose()?.map(|(launched, _)| launched),
        ..machine
    };
    let plan = Plan::expand_of(ask.kind, &matrix, profile, &machine, &registry, Zoned::now().date())?;
    Ok((locations, matrix, machine, plan, kernels))
}
