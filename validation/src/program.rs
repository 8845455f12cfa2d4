//! From the command line to an exit status.

use std::{io::Write, path::Path, process::ExitCode};

use anstream::ColorChoice;
use clap::Parser;
use libtest_mimic::ColorSetting;
use nix::sys::{prctl, signal::Signal};
use robocache_core::{cuda::KernelFile, registry::Registry};

use crate::{
    Ask, Stop, bundle,
    cli::{BenchArguments, Cli, Command, RankArguments, WorkerArguments},
    collection,
    exit::Exit,
    gate, golden, kernels,
    machine::Machine,
    matrix::{self, Kind},
    mutants, numbers,
    ranks::{
        self,
        launched::{self, Launched, Role},
    },
    subject,
    suites::{self, RankWork},
    validate, worker,
};

/// The program over these operators: ten lines of `main.rs` make a harness of a stranger's crate.
///
/// ```no_run
/// use robocache_core::{cuda::KernelFile, registry::Registry};
///
/// fn main() -> std::process::ExitCode {
///     let mut registry = Registry::new();
///     // registry.register(MyOperator)...
///     validation::main(registry)
/// }
/// ```
pub fn main(registry: Registry) -> ExitCode {
    start(&registry, Cli::parse(), "quick", EmptySelection::IsRefused)
}

/// The program as a Rust test target with `harness = false`, whose cells cargo-nextest runs one by one.
///
/// `profile` is what runs unless `--profile` says otherwise. `cargo test NAME` hands its filter to every test program,
/// so one that selects nothing here is no error.
pub fn test_main(registry: Registry, profile: &str) -> ExitCode {
    start(&registry, Cli::parse(), profile, EmptySelection::IsAccepted)
}

/// What it means that no cell is selected, or none that can run here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EmptySelection {
    /// Somebody mistyped: a run of nothing must not look green.
    IsRefused,
    /// The filter is meant for other test programs.
    IsAccepted,
}

fn start(registry: &Registry, cli: Cli, default_profile: &str, empty_selection: EmptySelection) -> ExitCode {
    let exit = match cli.command {
        Some(Command::Worker(arguments)) => work(registry, arguments),
        Some(Command::Rank(arguments)) => be_rank(registry, arguments),
        Some(Command::Measure(arguments)) => match gate::serve(registry, arguments.slow_down) {
            Ok(()) => Exit::Passed,
            Err(error) => {
                eprintln!("measure: {error}");
                Exit::HarnessFailed
            }
        },
        Some(Command::Golden(command)) => shown(golden::golden(registry, &command)),
        Some(Command::Schema) => print(&matrix::schema(registry)),
        Some(Command::Machine) => print(&Machine::probe()),
        Some(Command::Repro(arguments)) => shown(bundle::replay_bundle(registry, &arguments)),
        Some(Command::Minimize(arguments)) => shown(bundle::minimize_bundle(registry, &arguments)),
        Some(Command::Postmortem(arguments)) => shown(bundle::draft_postmortem(&arguments)),
        Some(Command::Subject { library }) => {
            shown(subject::look(&library).map(|description| print(&description)).map_err(Stop::from))
        }
        Some(Command::Collect(arguments)) => shown(collection::collect(&arguments)),
        Some(Command::Mutants(arguments)) => shown(mutants::command(registry, &arguments)),
        Some(Command::Probe { subject, kernels }) => {
            // A search that a driver holds up must not outlive the program that waits for it. Without this, it may.
            let _ = prctl::set_pdeathsig(Signal::SIGKILL);
            match (subject, kernels) {
                (Some(library), _) => probe_subject(&library),
                (None, Some(kernels)) => print(&Machine::probe_here_with(&kernels)),
                (None, None) => print(&Machine::probe_here()),
            }
        }
        None => {
            let ask = Ask {
                arguments: cli.run,
                default_profile: default_profile.to_owned(),
                kind: Kind::Validation,
                empty_selection,
            };
            set_colors(ask.arguments.selection.color);
            shown(take_part(registry, &ask))
        }
        Some(Command::Bench(arguments)) => {
            let checked = arguments.check();
            let BenchArguments { render, gate, run: arguments } = *arguments;
            let ask = Ask {
                arguments,
                default_profile: "smoke".to_owned(),
                kind: Kind::Benchmark,
                empty_selection: EmptySelection::IsRefused,
            };
            set_colors(ask.arguments.selection.color);
            shown(match (checked, &gate.against, render.is_empty()) {
                (Err(unsupported), _, _) => Err(unsupported.into()),
                (Ok(()), Some(against), _) => gate::command(registry, &ask, against, &gate),
                (Ok(()), None, true) => validate(registry, &ask),
                (Ok(()), None, false) => numbers::write_document(&ask.arguments, &render),
            })
        }
    };
    exit.into()
}

/// Runs the cells that are asked for, or is a rank on which rank 0 runs them.
fn take_part(registry: &Registry, ask: &Ask) -> Result<Exit, Stop> {
    let Some(device) = ask.arguments.launched else { return validate(registry, ask) };
    ask.arguments.check()?;
    let library = ask.arguments.subject.as_deref();
    let subject = library.map(subject::look).transpose()?;
    let kernels = ask.arguments.kernels.as_deref().map(kernels::read).transpose()?;
    let mut arguments = subject::worker_arguments(library, subject.as_ref());
    arguments.extend(kernels::worker_arguments(kernels.as_ref()));
    let (launched, place) = Launched::find(device)?;
    // Ranks look for their leader while it looks for GPUs and reads the matrix.
    match Role::take(launched, &place, arguments)? {
        Role::Leader(own_rank) => {
            let exit = validate(registry, ask);
            match &exit {
                Ok(_) => drop(own_rank),
                // Nobody led it, or nobody knows.
                Err(_) => own_rank.abandon(),
            }
            exit
        }
        Role::Rank(error) => Err(error.into()),
    }
}

/// Tells people what kept the program from an answer.
fn shown(result: Result<Exit, Stop>) -> Exit {
    result.unwrap_or_else(|stop| {
        anstream::eprintln!("{}", stop.styled());
        stop.exit()
    })
}

/// Whether output has colours: as `--color` says, and otherwise if a terminal shows it.
fn set_colors(setting: Option<ColorSetting>) {
    let choice = match setting {
        None | Some(ColorSetting::Auto) => ColorChoice::Auto,
        Some(ColorSetting::Always) => ColorChoice::Always,
        Some(ColorSetting::Never) => ColorChoice::Never,
    };
    choice.write_global();
}

fn print(value: &impl serde::Serialize) -> Exit {
    let text = serde_json::to_string_pretty(value).expect("maps with string keys and finite numbers only");
    // A reader that closed the pipe, such as `head`, has seen enough.
    let _ = writeln!(std::io::stdout(), "{text}");
    Exit::Passed
}

fn probe_subject(library: &Path) -> Exit {
    match subject::probe(library) {
        Ok(()) => Exit::Passed,
        Err(error) => {
            eprintln!("the answer cannot be written: {error}");
            Exit::HarnessFailed
        }
    }
}

fn work(registry: &Registry, mut arguments: WorkerArguments) -> Exit {
    if let Some(device) = arguments.launched {
        launched::await_launched(device, arguments.replacement().map(str::to_owned));
    }
    if let (Some(kernels), Some(hash)) = (arguments.kernels.take(), arguments.kernels_hash.take()) {
        suites::use_kernels(kernels, hash);
    }
    let served = subject::Served::new(registry, arguments);
    let ended = worker::serve(
        suites::are_ranks_lost,
        |cell, attached| suites::execute(served.registry()?, cell, attached),
        |cell, attached| suites::digest(served.registry()?, cell, attached),
        // Nothing of a subject is run for it, and nothing loaded: that may be what the last worker died of.
        |cell, attached| suites::exhibit(registry, cell, attached),
    );
    // Ranks are told that it is over: those that a launcher started must end well.
    suites::dismiss_ranks();
    match ended {
        Ok(()) => Exit::Passed,
        Err(error) => {
            eprintln!("worker: {error}");
            Exit::HarnessFailed
        }
    }
}

fn be_rank(registry: &Registry, arguments: RankArguments) -> Exit {
    let RankArguments { device, mut worker } = arguments;
    let replacement = worker.replacement().map(str::to_owned);
    let kernels = worker.kernels.take().zip(worker.kernels_hash.take());
    let file = kernels.as_ref().map(|(path, hash)| KernelFile::read_again(path, hash)).transpose();
    if let Some((path, hash)) = kernels {
        suites::use_kernels(path, hash);
    }
    suites::use_gpu(ranks::own_gpu());
    let ended = match &file {
        Ok(file) => {
            let work = RankWork::new(subject::Served::new(registry, worker), device);
            ranks::serve(&work, device, file.as_ref(), replacement.as_deref())
                .map_err(|error| (error.exit(), error.to_string()))
        }
        Err(error) => Err((Exit::HarnessFailed, error.to_string())),
    };
    match ended {
        Ok(()) => Exit::Passed,
        Err((exit, reason)) => {
            eprintln!("rank: {reason}");
            exit
        }
    }
}
