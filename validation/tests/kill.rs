//! Writers of evidence killed with SIGKILL at random moments, a hundred times: no acknowledged record is lost or doubled,
//! and resuming completes the run. The tests of the program kill the whole of it in the same way.
//!
//! This program is both the tests and, as `kill append` and `kill join`, the processes that they kill.

mod killing;

use std::{
    collections::BTreeSet,
    env,
    io::{self, Write},
    path::Path,
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

use libtest_mimic::{Arguments, Failed, Trial};
use validation::evidence::{Run, read_log, run::find};

use killing::{Killing, Moments, Victim, kill_and_resume};
use validation_testing::fixture::{MATRIX, passed, usual_environment};

/// Records of one run. With the pauses between them, a run lasts long enough to be killed in every phase.
const RECORDS: usize = 60;

/// Kills of a writer that does nothing else, and so is hit while it writes more often than the whole program.
const WRITER_KILLS: u32 = 100;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["append", root] => append(Path::new(root), None),
        ["append", root, "--resume", run] => append(Path::new(root), Some(run)),
        ["join", root, cell] => join(Path::new(root), cell),
        _ => {
            let trials = vec![
                Trial::test("a_killed_writer_loses_and_doubles_nothing", killed_writers),
                Trial::test("killed_processes_of_one_run_lose_and_double_nothing", killed_processes),
            ];
            return libtest_mimic::run(&Arguments::from_args(), trials).exit_code();
        }
    }
    ExitCode::SUCCESS
}

/// A writer of evidence and nothing else: records what is not recorded yet, and prints each name when it is acknowledged.
fn append(root: &Path, resume: Option<&str>) {
    let run = match resume {
        None => Run::create(root, usual_environment(), MATRIX),
        Some(which) => Run::resume(root, which, usual_environment()),
    }
    .unwrap();
    for problem in 0..RECORDS {
        let record = passed(&format!("n{problem}"));
        if run.earlier().iter().any(|earlier| earlier.cell.name == record.cell.name) {
            continue;
        }
        let name = record.cell.name.clone();
        run.log().append_then(&record, move |result| {
            result.unwrap();
            acknowledge(&name);
        });
        // In bursts of four, so that some batches hold one record and some hold several.
        if problem % 4 == 3 {
            thread::sleep(Duration::from_micros(300));
        }
    }
    run.close().unwrap();
}

/// A cell's process under cargo-nextest.
fn join(root: &Path, cell: &str) {
    let run = Run::join(root, "nextest-1", usual_environment(), MATRIX).unwrap();
    let record = passed(cell);
    run.log().append(&record).unwrap();
    acknowledge(&record.cell.name);
    run.close().unwrap();
}

fn acknowledge(name: &str) {
    let mut output = io::stdout().lock();
    writeln!(output, "acknowledged {name}").and_then(|()| output.flush()).unwrap();
}

fn acknowledged(line: &str) -> Option<String> {
    line.strip_prefix("acknowledged ").map(str::to_owned)
}

/// This program in one of its other parts.
fn this_program(words: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(words);
    command
}

fn killed_writers() -> Result<(), Failed> {
    let root = tempfile::tempdir()?;
    let report = kill_and_resume(&Killing {
        root: root.path(),
        kills: WRITER_KILLS,
        seed: 1,
        command: &|resume| {
            let mut command = this_program(&["append", root.path().to_str().unwrap()]);
            if let Some(folder) = resume {
                command.arg("--resume").arg(folder);
            }
            command
        },
        acknowledged: &acknowledged,
        cells: (0..RECORDS).map(|problem| passed(&format!("n{problem}")).cell.name).collect(),
    })?;
    println!("{report}");
    Ok(())
}

/// Many processes share a log and are killed at random moments, some of them while others wait for their turn.
fn killed_processes() -> Result<(), Failed> {
    let root = tempfile::tempdir()?;
    let start = |cell: &str| Victim::start(&mut this_program(&["join", root.path().to_str().unwrap(), cell]));
    let started = Instant::now();
    let first = start("first")?.end()?;
    let mut moments = Moments::new(2, 3 * started.elapsed());
    let mut promised: BTreeSet<String> = first.lines.iter().filter_map(|line| acknowledged(line)).collect();
    let mut kills = 0;
    for round in 0..20 {
        let victims = (0..3).map(|process| start(&format!("r{round}p{process}"))).collect::<io::Result<Vec<_>>>()?;
        for victim in victims {
            let output = victim.end_at(moments.next(1))?;
            promised.extend(output.lines.iter().filter_map(|line| acknowledged(line)));
            kills += u32::from(output.killed);
        }
    }
    let last = start("last")?.end()?;
    promised.extend(last.lines.iter().filter_map(|line| acknowledged(line)));
    let contents = read_log(&find(root.path(), "nextest-1")?.join("records.jsonl"))?;
    killing::check(&contents, &promised)?;
    println!("{kills} of 60 processes killed, {} records acknowledged", promised.len());
    if kills == 0 || promised.len() <= 2 || contents.torn_tail.is_some() {
        return Err("too few were killed, or too few were not, to mean anything".into());
    }
    Ok(())
}
