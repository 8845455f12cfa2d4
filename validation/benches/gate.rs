//! What the regression gate is worth on this machine: how often it takes a program for a slower one than itself, and
//! how often it notices that a program was slowed down.
//!
//! `cargo bench -p validation --bench gate -- [--runs N] [--cells FILTER] [--series NAME] [--handicap FRACTION]`
//!
//! Each run is a whole `validation bench --against`, of the program against itself: without a handicap and with it,
//! alternating, so that both meet the same moments of the machine. Required are no false alarm and 96 % caught; the
//! study ends with status 1 otherwise. On a GPU: `--cells resample::cuda --series graph`.
//!
//! The slow-down is a pause at the end of each batch. Where the memory bus is shared with others, the next batch wins a
//! part of a pause back, since memory has caught up meanwhile: on such machines study the series `hot`.

use std::{
    collections::BTreeMap,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use jiff::Zoned;
use robocache_core::{operators, timing::Series};
use validation::{
    execution::Selected,
    gate::{self, Comparison, Conclusion, Design, GateError, Launch, Programs},
    golden::corpora,
    machine::Machine,
    matrix::{Kind, Matrix},
    plan::Plan,
};

/// The share of slow-downs that must be caught.
const REQUIRED: f64 = 0.96;

/// What is studied.
#[derive(Parser)]
struct Arguments {
    /// Runs without a handicap, and as many with it.
    #[arg(long, default_value_t = 50)]
    runs: u32,
    /// Which cells of the benchmark `smoke` each run compares: those whose names contain this.
    #[arg(long, default_value = "resample::cpu::f32::b8_")]
    cells: String,
    /// The series.
    #[arg(long, default_value = "hot")]
    series: Vec<Series>,
    /// By which fraction the program is slowed down.
    #[arg(long, default_value_t = 0.03)]
    handicap: f64,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How the runs of one kind ended, and how long they took.
#[derive(Default)]
struct Tally {
    conclusions: BTreeMap<&'static str, u32>,
    time: Duration,
    longest: Duration,
}

impl Tally {
    fn count(&self, conclusion: Conclusion) -> u32 {
        self.conclusions.get(word(conclusion)).copied().unwrap_or(0)
    }
}

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    if !arguments.bench {
        // `cargo test --all-targets` runs benchmarks too: once is enough to see that they work.
        arguments.runs = 1;
    }
    match study(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether what is required was reached; too few runs to tell count as reached.
fn study(arguments: &Arguments) -> Result<bool, GateError> {
    let registry = operators::registry();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../matrix.yaml");
    let matrix = Matrix::read(&path, &registry).unwrap_or_else(|error| panic!("{error}"));
    let goldens = corpora(&path.with_file_name("goldens"), &matrix);
    let machine = Machine { goldens, ..Machine::probe_here() };
    let plan = Plan::expand_of(Kind::Benchmark, &matrix, "smoke", &machine, &registry, Zoned::now().date());
    let plan = plan.unwrap_or_else(|error| panic!("{error}"));
    let chosen = plan.cells.iter().filter(|planned| planned.cell.name.contains(&arguments.cells));
    let cells: Vec<_> = chosen
        .filter(|planned| planned.skip.is_none())
        .map(|planned| Selected { planned, recording: None, golden: None })
        .collect();
    for selected in &cells {
        println!("{}", selected.planned.cell.name);
    }

    let begin = Instant::now();
    let mut tallies = [(); 2].map(|()| Tally::default());
    for number in 0..arguments.runs {
        for (handicap, tally) in [0.0, arguments.handicap].into_iter().zip(&mut tallies) {
            let comparison = Comparison {
                programs: programs(handicap),
                design: Design { seed: number.into(), ..Design::default() },
                cells: &cells,
                series: &arguments.series,
            };
            let start = Instant::now();
            let record = gate::run(&comparison, "itself", handicap, &mut |_| {})?;
            let time = start.elapsed();
            *tally.conclusions.entry(word(record.conclusion)).or_default() += 1;
            tally.time += time;
            tally.longest = tally.longest.max(time);
            let ratios: Vec<String> = record.units.iter().map(describe).collect();
            println!(
                "{:>3}/{} handicap {:>4.1} %: {:<13} {:>5.1} s  {}",
                number + 1,
                arguments.runs,
                100.0 * handicap,
                word(record.conclusion),
                time.as_secs_f64(),
                ratios.join(", ")
            );
        }
    }
    Ok(conclude(arguments, &tallies, begin.elapsed()))
}

fn conclude(arguments: &Arguments, [equal, slowed]: &[Tally; 2], time: Duration) -> bool {
    let runs = arguments.runs;
    let seconds = |tally: &Tally| tally.time.as_secs_f64() / f64::from(runs.max(1));
    println!(
        "the program against itself: {} false alarms in {runs}, {} ambiguous; {:.1} s a run, {:.1} s the longest",
        equal.count(Conclusion::Regression),
        equal.count(Conclusion::Ambiguous),
        seconds(equal),
        equal.longest.as_secs_f64(),
    );
    println!(
        "slowed down by {} %: {} caught in {runs}, {} ambiguous, {} missed; {:.1} s a run, {:.1} s the longest",
        100.0 * arguments.handicap,
        slowed.count(Conclusion::Regression),
        slowed.count(Conclusion::Ambiguous),
        slowed.count(Conclusion::NoRegression),
        seconds(slowed),
        slowed.longest.as_secs_f64(),
    );
    println!("{:.0} s in all", time.as_secs_f64());
    let caught = f64::from(slowed.count(Conclusion::Regression)) >= REQUIRED * f64::from(runs);
    runs < 10 || (equal.count(Conclusion::Regression) == 0 && caught)
}

/// The program that cargo has just built, once as it is and once slowed down.
fn programs(handicap: f64) -> Programs {
    let launch = |arguments: &[&str]| Launch {
        program: env!("CARGO_BIN_EXE_validation").into(),
        arguments: arguments.iter().map(Into::into).collect(),
    };
    Programs { baseline: launch(&["measure"]), candidate: launch(&["measure", "--slow-down", &handicap.to_string()]) }
}

fn describe(unit: &gate::Unit) -> String {
    let ratio = unit.judgement.map_or(f64::NAN, |judgement| judgement.ratio.ratio());
    format!("{:+.2} % in {} rounds", 100.0 * (ratio - 1.0), unit.rounds.len())
}

const fn word(conclusion: Conclusion) -> &'static str {
    match conclusion {
        Conclusion::NoRegression => "no regression",
        Conclusion::Regression => "REGRESSION",
        Conclusion::Ambiguous => "AMBIGUOUS",
    }
}
