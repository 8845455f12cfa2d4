//! From the command line to a replay, a smaller bundle or a document.

use std::{
    fs::{self, OpenOptions},
    io::{self, IsTerminal, Write, stderr},
    path::Path,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use robocache_core::{cuda::KernelFile, registry::Registry};

use super::{
    arguments::{MinimizeArguments, PostmortemArguments, ReplayArguments},
    error::Flaw,
    keep::store,
    kernels as kernel_files,
    manifest::Manifest,
    minimize::{Budget, Search, Tried, fitted},
    postmortem,
    read::{Bundle, read},
    replay::{Replayed, Replayer, check, machine_for, shortfall},
    subject::{SubjectIdentity, relation},
    way::way,
};
use crate::{
    Stop,
    evidence::{Environment, Program, StorageError, kernel_image},
    exit::Exit,
    kernels,
    machine::Machine,
    report::{print_line, terminal},
    shell::{quoted, this_program},
    subject,
    suites::SuiteSettings,
    supervisor::interrupt,
    verdict::Verdict,
};

/// What the first replay of a bundle came to.
enum First {
    /// It was replayed.
    Done { bundle: Box<Bundle>, means: Box<Means>, replayer: Replayer, replayed: Box<Replayed> },
    /// It could not be, and this says how the program ends.
    Ended(Exit),
}

/// What a bundle is replayed with: this machine, its library under test included, and a file of kernels if one was given.
struct Means {
    machine: Machine,
    kernels: Option<KernelFile>,
}

/// `validation repro`: executes a bundle's cell again, and says whether the same bits came back.
pub(crate) fn replay_bundle(registry: &Registry, arguments: &ReplayArguments) -> Result<Exit, Stop> {
    let (bundle, means, replayed) = match first(registry, arguments)? {
        First::Ended(exit) => return Ok(exit),
        First::Done { bundle, means, replayed, .. } => (bundle, means, replayed),
    };
    let manifest = &bundle.manifest;
    print_line(&manifest.cell.name);
    means.relations(manifest).iter().for_each(print_line);
    print_line(format_args!("  then: {}", terminal::judgement(&manifest.verdict)));
    print_line(format_args!("  now:  {}", terminal::judgement(&replayed.verdict)));
    if let Verdict::Error { .. } = replayed.verdict {
        print_line("it could not be replayed: the harness, not the operator, is at fault");
        return Ok(Exit::HarnessFailed);
    }
    let likeness = replayed.likeness(manifest);
    print_line(likeness);
    Ok(likeness.exit())
}

/// `validation minimize`: writes a smaller bundle that fails in the same way.
pub(crate) fn minimize_bundle(registry: &Registry, arguments: &MinimizeArguments) -> Result<Exit, Stop> {
    let path = &arguments.replay.bundle.bundle;
    let (bundle, means, replayer, replayed) = match first(registry, &arguments.replay)? {
        First::Ended(exit) => return Ok(exit),
        First::Done { bundle, means, replayer, replayed } => (*bundle, means, replayer, *replayed),
    };
    if let SuiteSettings::MultiGpu(_) = bundle.manifest.replay.suite {
        let reason = "what several ranks do together is not made smaller; `repro` does it again";
        return Err(Flaw::Foreign(reason.to_owned()).of(path).into());
    }
    let relations = means.relations(&bundle.manifest);
    let (then, now) =
        (way(&bundle.manifest.outcome, &bundle.manifest.verdict), way(&replayed.outcome, &replayed.verdict));
    if then != now {
        print_line(format_args!("{}: not minimised", bundle.manifest.cell.name));
        relations.iter().for_each(print_line);
        print_line(format_args!("  then: {then}\n  now:  {now}"));
        return Ok(replayed.likeness(&bundle.manifest).exit());
    }
    let operator = registry.get(&bundle.manifest.replay.operator).expect("it was replayed");
    let (size_before, hash) = (bundle.bytes, bundle.hash.clone());
    let budget = Budget { time: Duration::from_secs(arguments.seconds), attempts: arguments.attempts };
    let environment = means.environment(&bundle.manifest)?;
    let subject = environment.subject.as_ref().map(SubjectIdentity::from);
    let kernels = kernel_files::file_of(bundle.manifest.cell.device, &environment.kernel_image);
    let mut bundle = bundle;
    bundle.manifest = Manifest { environment, subject, kernels, minimized_from: Some(hash), ..bundle.manifest };

    let shown = Shown::new(arguments.attempts);
    let search = Search::new(&**operator, &replayer, budget, bundle, replayed).map_err(|flaw| flaw.of(path))?;
    let found = search.run(&mut |tried, name| shown.show(tried, name))?;
    shown.finish();
    let Some((best, tried)) = found else { return Ok(interrupted()) };

    let folder = arguments.into.as_deref().or(path.parent()).unwrap_or(Path::new(""));
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let cell = best.manifest.cell.name.clone();
    let problem = best.manifest.replay.clone();
    let verdict = best.manifest.verdict.clone();
    let bytes = fitted(best, path)?;
    let written = store(folder, &format!("{cell}.minimal"), &bytes)?;
    print_line(format_args!("{cell}"));
    relations.iter().for_each(print_line);
    print_line(format_args!("  fails: {now}"));
    print_line(format_args!("  now:   {}", terminal::judgement(&verdict)));
    print_line(format_args!(
        "  at:    {} ({} smaller problems in {} attempts)",
        operator.problem(problem.dtype, &problem.parameters).map_or_else(|_| String::new(), |problem| problem.name()),
        tried.smaller,
        tried.attempts
    ));
    print_line(format_args!("  size:  {size_before} bytes before, {} bytes now", bytes.len()));
    print_line(format_args!("  replay: {}", repro_command(&arguments.replay, &written)));
    print_line(written.display());
    Ok(Exit::Passed)
}

/// The command line that replays another bundle with the same library or kernels.
fn repro_command(arguments: &ReplayArguments, bundle: &Path) -> String {
    let mut command = format!("{} repro {}", this_program(), quoted(&bundle.to_string_lossy()));
    for (option, path) in [("--subject", &arguments.subject), ("--kernels", &arguments.kernels)] {
        if let Some(path) = path {
            command += &format!(" {option} {}", quoted(&path.to_string_lossy()));
        }
    }
    command
}

/// `validation postmortem`: drafts a document, unless there is one.
pub(crate) fn draft_postmortem(arguments: &PostmortemArguments) -> Result<Exit, Stop> {
    let path = &arguments.bundle.bundle;
    let bundle = read(path)?;
    let target = arguments.into.join(postmortem::file_name(&bundle.manifest));
    fs::create_dir_all(&arguments.into).map_err(StorageError::at("create the folder", &arguments.into))?;
    // Somebody may have filled it in.
    let mut file =
        OpenOptions::new().write(true).create_new(true).open(&target).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Stop::from(Flaw::Exists.of(&target)),
            _ => StorageError::at("write", &target)(error).into(),
        })?;
    file.write_all(postmortem::draft(&bundle, path).as_bytes()).map_err(StorageError::at("write", &target))?;
    print_line(target.display());
    Ok(Exit::Passed)
}

impl Means {
    /// Says which library or which kernels were executed, if any were given, and whether they are those that failed.
    fn relations(&self, failed: &Manifest) -> Vec<String> {
        let library = self.machine.subject.as_ref().map(|given| relation(failed.subject.as_ref(), &given.into()));
        let kernels =
            self.kernels.as_ref().map(|given| kernel_files::relation(failed.kernels.as_deref(), given.hash()));
        let lines = [("library", library), ("kernels", kernels)];
        lines.into_iter().filter_map(|(what, relation)| Some(format!("  {what}: {}", relation?))).collect()
    }

    /// This program and machine, which a minimised bundle is made by, and the question that the bundle came from.
    fn environment(&self, manifest: &Manifest) -> Result<Environment, StorageError> {
        let then = &manifest.environment;
        let image = kernel_image(self.kernels.as_ref());
        let here = Environment::collect(Program::current()?, then.selection.clone(), &self.machine, image);
        Ok(Environment { run: then.run.clone(), invocation: then.invocation.clone(), ..here })
    }
}

/// Reads and replays a bundle.
fn first(registry: &Registry, arguments: &ReplayArguments) -> Result<First, Stop> {
    let path = &*arguments.bundle.bundle;
    let bundle = read(path)?;
    let replay = &bundle.manifest.replay;
    let library = arguments.subject.as_deref().map(subject::look).transpose()?;
    let file = arguments.kernels.as_deref().map(kernels::read).transpose()?;
    check(path, &bundle.manifest, registry, library.as_ref(), file.as_ref())?;
    let machine = Machine { subject: library, ..machine_for(replay.device, file.as_ref())? };
    if let Some(missing) = shortfall(replay, &machine) {
        print_line(format_args!("INCOMPLETE: this machine cannot replay {}: {missing}", replay.name));
        return Ok(First::Ended(Exit::Incomplete));
    }
    interrupt::install()?;
    let mut workers = vec!["worker".into()];
    workers.extend(subject::worker_arguments(arguments.subject.as_deref(), machine.subject.as_ref()));
    workers.extend(kernels::worker_arguments(file.as_ref()));
    let replayer = Replayer::new(replay.device, &machine, workers)?;
    Ok(match replayer.replay(path, &bundle.hash, replay)? {
        None => First::Ended(interrupted()),
        Some(replayed) => {
            let means = Means { machine, kernels: file };
            First::Done { bundle: Box::new(bundle), means: Box::new(means), replayer, replayed: Box::new(replayed) }
        }
    })
}

fn interrupted() -> Exit {
    print_line("INTERRUPTED: nothing was written");
    Exit::Interrupted
}

/// What people see meanwhile: on a terminal a bar, elsewhere a line for each smaller problem.
struct Shown {
    bar: Option<ProgressBar>,
    smaller: std::cell::Cell<u64>,
}

impl Shown {
    fn new(attempts: u64) -> Self {
        let style = ProgressStyle::with_template("{elapsed_precise} attempt {pos} of at most {len}; {msg}")
            .expect("the template is constant");
        let bar = || ProgressBar::with_draw_target(Some(attempts), ProgressDrawTarget::stderr()).with_style(style);
        Self { bar: stderr().is_terminal().then(bar), smaller: std::cell::Cell::new(0) }
    }

    fn show(&self, tried: Tried, name: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(tried.attempts);
                bar.set_message(format!("{} smaller, now {name}", tried.smaller));
            }
            None if self.smaller.replace(tried.smaller) < tried.smaller => {
                eprintln!("attempt {}: still fails at {name}", tried.attempts);
            }
            None => {}
        }
    }

    fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
