//! `validation mutants`: from the command line to the detection matrix.

use std::{
    io::{self, Write},
    time::Instant,
};

use fault_injection::{Catalogue, Control};
use jiff::Zoned;
use robocache_core::{
    registry::Registry,
    subject::{Place, with_unknown_kernels},
};

use super::{
    DetectionRecord, FORMAT, MutantsError, Role, Specimen,
    campaign::{self, Repeats, Stopped},
    detection,
    library::{self, Library},
    report,
    toolchain::Toolchain,
    trial::SuiteCells,
};
use crate::{
    Stop,
    cell::Device,
    cli::MutantsArguments,
    evidence::{self, Filters},
    exit::Exit,
    locations,
    machine::Machine,
    matrix::{Kind, Matrix},
    plan::Plan,
    report::print_line,
    supervisor::interrupt,
};

/// The files in the run's folder.
const JOURNAL: &str = "mutants.jsonl";
const DETECTION: &str = "mutants.json";
const TABLE: &str = "mutants.md";

/// Runs the mutants that are asked for, and leaves evidence of what came of them.
pub(crate) fn command(registry: &Registry, arguments: &MutantsArguments) -> Result<Exit, Stop> {
    let device = arguments.device;
    let place = match device {
        Device::Cpu => Place::Cpu,
        Device::Cuda => Place::Cuda,
    };
    let catalogue = match &arguments.patches {
        Some(folder) => Catalogue::read(place, folder),
        None => Catalogue::embedded(place),
    };
    let catalogue = catalogue.map_err(MutantsError::from)?;
    if catalogue.mutants.is_empty() {
        return Err(MutantsError::NoMutants(name_of(device)).into());
    }
    let filter = arguments.filter.as_deref();
    let specimens = Specimen::choose(&catalogue, filter);
    if specimens.is_empty() {
        return Err(MutantsError::NothingMatches(filter.unwrap_or_default().to_owned()).into());
    }
    if arguments.list {
        list(&specimens);
        return Ok(Exit::Passed);
    }

    let begin = Instant::now();
    let machine = Machine::probe();
    let toolchain = Toolchain::find(device, &machine)?;
    interrupt::install()?;
    let threads = arguments.test_threads.unwrap_or(machine.cpus).max(1);
    let folder = tempfile::Builder::new().prefix("mutants-").tempdir()?;
    let libraries = library::compile(&toolchain, &catalogue, &specimens, folder.path(), threads)?;

    let registry = with_unknown_kernels(registry);
    let (matrix_name, matrix) = match device {
        Device::Cpu => ("fault_injection/mutants.yaml", fault_injection::MATRIX),
        Device::Cuda => ("fault_injection/mutants_cuda.yaml", fault_injection::CUDA_MATRIX),
    };
    let matrix = Matrix::from_bytes(matrix_name, matrix.as_bytes(), &registry)?;
    let suites = suites(&matrix, device, &machine, &libraries, &registry)?;
    check_suites(&specimens, &suites, device)?;

    let run = evidence::open_anew(
        &locations::output_folder(arguments.output.as_deref())?,
        &matrix,
        (Kind::Validation, name_of(device)),
        Filters { include: filter.map(str::to_owned).into_iter().collect(), ..Filters::default() },
        &machine,
        invocation(arguments),
    )?;
    let repeats = Repeats { mutants: arguments.repeats, controls: arguments.control_repeats };
    let trials = match campaign::run(&toolchain, &libraries, repeats, &suites, threads, &run.folder().join(JOURNAL)) {
        Ok(trials) => trials,
        Err(Stopped::Interrupted) => {
            print_line(format_args!("INTERRUPTED; the trials that ended: {}", run.folder().join(JOURNAL).display()));
            return Ok(Exit::Interrupted);
        }
        Err(Stopped::System(error)) => return Err(error.into()),
        Err(Stopped::Storage(error)) => return Err(error.into()),
    };

    let names: Vec<String> = suites.iter().map(|suite| suite.suite.clone()).collect();
    let record = DetectionRecord {
        format: FORMAT,
        device: name_of(device).to_owned(),
        compiler: toolchain.version().to_owned(),
        repeats: repeats.mutants,
        control_repeats: repeats.controls,
        rows: detection(&specimens, &trials, &names),
        suites: names,
        elapsed_ms: begin.elapsed().as_secs_f64() * 1e3,
    };
    run.write_report(DETECTION, record.to_json().as_bytes())?;
    run.write_report(TABLE, report::markdown(&record).as_bytes())?;
    print_line(report::terminal(&record));
    print_line(format_args!("evidence: {}", run.folder().display()));
    print_line(report::conclusion(&record));
    run.close()?;
    Ok(record.exit())
}

const fn name_of(device: Device) -> &'static str {
    match device {
        Device::Cpu => "cpu",
        Device::Cuda => "cuda",
    }
}

/// The suites of the device's profile, with the cells that a subject can run here.
fn suites(
    matrix: &Matrix,
    device: Device,
    machine: &Machine,
    libraries: &[Library],
    registry: &Registry,
) -> Result<Vec<SuiteCells>, MutantsError> {
    // A patch that changes what a subject says of itself would be run with cells that it does not take; none may.
    let of_control = libraries.iter().find(|library| library.specimen.name == Control::UNPATCHED);
    let subject = of_control.or(libraries.first()).and_then(|library| library.implementation.description());
    let machine = Machine { subject: subject.cloned(), ..machine.clone() };
    let today = Zoned::now().date();
    let plan = Plan::expand_of(Kind::Validation, matrix, name_of(device), &machine, registry, today)?;
    let mut suites: Vec<SuiteCells> = Vec::new();
    for planned in plan.cells.into_iter().filter(|planned| planned.skip.is_none()) {
        let name = planned.cell.suite.name();
        match suites.iter_mut().find(|suite| suite.suite == name) {
            Some(suite) => suite.cells.push(planned.cell),
            None => suites.push(SuiteCells { suite: name.to_owned(), cells: vec![planned.cell] }),
        }
    }
    Ok(suites)
}

/// Refuses a mutant that no cell could kill in the way that it says.
fn check_suites(specimens: &[Specimen], suites: &[SuiteCells], device: Device) -> Result<(), MutantsError> {
    for specimen in specimens {
        let Role::Mutant { kind: _, killed_by } = specimen.role else { continue };
        let may_kill = |suite: &SuiteCells| {
            let operators = &specimen.operators;
            let takes = |operator: &String| suite.cells.iter().any(|cell| cell.operator == *operator);
            suite.suite == killed_by.name() && operators.iter().all(takes)
        };
        if !suites.iter().any(may_kill) {
            let (name, device) = (specimen.name.clone(), name_of(device));
            return Err(MutantsError::SuiteIsNotRun { name, suite: killed_by, device });
        }
    }
    Ok(())
}

fn list(specimens: &[Specimen]) {
    let mut output = io::BufWriter::new(io::stdout());
    for Specimen { name, what, role, .. } in specimens {
        let written = match role {
            Role::Mutant { kind, killed_by } => writeln!(output, "{name}: {kind}, killed by {killed_by}. {what}"),
            Role::Control => writeln!(output, "{name}: control. {what}"),
        };
        // A reader that closed the pipe has seen enough.
        if written.is_err() {
            return;
        }
    }
    let _ = output.flush();
}

fn invocation(arguments: &MutantsArguments) -> String {
    let MutantsArguments { repeats, control_repeats, .. } = arguments;
    let device = name_of(arguments.device);
    format!("validation mutants --device {device} --repeats {repeats} --control-repeats {control_repeats}")
}
