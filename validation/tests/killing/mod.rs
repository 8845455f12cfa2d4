//! Kills a program that keeps evidence, at random moments, and resumes it until the run is complete.
//!
//! It knows nothing of the program but how to start it, how to tell an acknowledgement in its output, and which cells
//! it must record in the end.

use std::{
    collections::BTreeSet,
    fmt,
    io::{self, BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::{Duration, Instant},
};

use libtest_mimic::Failed;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use validation::evidence::{LogContents, RunError, read_log, run::find};

/// What is killed, how often, and what must come of it.
pub(crate) struct Killing<'test> {
    /// Where the program keeps its runs; empty at first.
    pub(crate) root: &'test Path,
    /// How many kills there must have been; runs are begun until then.
    pub(crate) kills: u32,
    /// Decides the moments.
    pub(crate) seed: u64,
    /// The program: a new run, or the continuation of the one in this folder.
    pub(crate) command: &'test dyn Fn(Option<&Path>) -> Command,
    /// The name of the cell whose record a line of output acknowledges, if it does.
    pub(crate) acknowledged: &'test dyn Fn(&str) -> Option<String>,
    /// The cells of a complete run.
    pub(crate) cells: BTreeSet<String>,
}

/// What was survived.
pub(crate) struct Report {
    kills: u32,
    runs: u32,
    acknowledged: usize,
    unacknowledged: usize,
    torn: u32,
    elapsed: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} kills in {} runs and {:.1} s: {} records acknowledged before a kill, {} durable but not yet acknowledged, \
             {} torn tails",
            self.kills,
            self.runs,
            self.elapsed.as_secs_f64(),
            self.acknowledged,
            self.unacknowledged,
            self.torn
        )
    }
}

/// Runs, kills and resumes until there were enough kills; checks the log after each of them.
pub(crate) fn kill_and_resume(killing: &Killing<'_>) -> Result<Report, Failed> {
    let start = Instant::now();
    let mut report = Report { kills: 0, runs: 0, acknowledged: 0, unacknowledged: 0, torn: 0, elapsed: Duration::ZERO };
    // A first run in peace says how long a run takes, and that it is complete without any kill.
    let output = Victim::start(&mut (killing.command)(None))?.end()?;
    let mut moments = Moments::new(killing.seed, start.elapsed());
    check_end(killing, &output, &find(killing.root, "latest")?)?;
    while report.kills < killing.kills {
        kill_one_run(killing, &mut moments, &mut report)?;
        report.runs += 1;
    }
    report.elapsed = start.elapsed();
    Ok(report)
}

/// One run from its beginning, through as many kills as hit it, to its end.
fn kill_one_run(killing: &Killing<'_>, moments: &mut Moments, report: &mut Report) -> Result<(), Failed> {
    let mut folder: Option<PathBuf> = None;
    let mut promised = BTreeSet::new();
    loop {
        let victim = Victim::start(&mut (killing.command)(folder.as_deref()))?;
        let output = victim.end_at(moments.next(killing.cells.len() - promised.len()))?;
        for name in output.lines.iter().filter_map(|line| (killing.acknowledged)(line)) {
            if !promised.insert(name.clone()) {
                return Err(format!("`{name}` was acknowledged twice").into());
            }
            report.acknowledged += 1;
        }
        if !output.killed && !output.status.success() {
            return Err(format!("it failed by itself: {}", output.status).into());
        }
        folder = match folder {
            Some(folder) => Some(folder),
            None => begun_run(killing.root)?,
        };
        match &folder {
            // Killed before its folder was complete: nothing may have been promised, and the next one starts anew.
            None => check(&LogContents::default(), &promised)?,
            Some(folder) if !output.killed => return check_end(killing, &output, folder),
            Some(folder) => {
                let contents = read_log(&folder.join("records.jsonl"))?;
                check(&contents, &promised)?;
                report.unacknowledged += contents.records.len() - promised.len();
                report.torn += u32::from(contents.torn_tail.is_some());
            }
        }
        report.kills += 1;
    }
}

/// The run under this root, if it got as far as being one.
fn begun_run(root: &Path) -> Result<Option<PathBuf>, Failed> {
    match find(root, "latest") {
        Ok(folder) => Ok(Some(folder)),
        Err(RunError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Fails unless the run ended well and recorded every cell. Removes it, so that the next one is the only one.
fn check_end(killing: &Killing<'_>, output: &Output, folder: &Path) -> Result<(), Failed> {
    if !output.status.success() {
        return Err(format!("it failed by itself: {}", output.status).into());
    }
    let contents = read_log(&folder.join("records.jsonl"))?;
    check(&contents, &killing.cells)?;
    if contents.records.len() != killing.cells.len() || contents.torn_tail.is_some() {
        return Err(format!("{} records in the end, {:?}", contents.records.len(), contents.torn_tail).into());
    }
    Ok(std::fs::remove_dir_all(folder)?)
}

/// Fails if a promised record is missing, if any cell is recorded twice, or if the log is damaged.
pub(crate) fn check(contents: &LogContents, promised: &BTreeSet<String>) -> Result<(), Failed> {
    if let Some(damage) = contents.damage.first() {
        return Err(format!("the log is damaged: {damage}").into());
    }
    let mut recorded = BTreeSet::new();
    for record in &contents.records {
        if !recorded.insert(record.cell.name.clone()) {
            return Err(format!("`{}` is recorded twice", record.cell.name).into());
        }
    }
    match promised.difference(&recorded).next() {
        Some(lost) => Err(format!("`{lost}` was acknowledged and is lost").into()),
        None => Ok(()),
    }
}

/// When a process is killed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    /// So long after its start.
    After(Duration),
    /// As soon as it has printed so many lines.
    AtLine(usize),
}

/// Random moments.
pub(crate) struct Moments {
    generator: ChaCha8Rng,
    longest: Duration,
}

impl Moments {
    /// Moments that this seed decides; in time, none is later than `longest`.
    pub(crate) fn new(seed: u64, longest: Duration) -> Self {
        Self { generator: ChaCha8Rng::seed_from_u64(seed), longest }
    }

    /// The next one: at any time, or right behind one of so many acknowledgements.
    pub(crate) fn next(&mut self, acknowledgements: usize) -> Moment {
        let fraction = f64::from(self.generator.next_u32()) / f64::from(u32::MAX);
        if self.generator.next_u32().is_multiple_of(2) {
            Moment::After(self.longest.mul_f64(fraction))
        } else {
            Moment::AtLine((fraction * acknowledgements as f64) as usize)
        }
    }
}

/// A process that will be killed, unless it is faster.
pub(crate) struct Victim {
    child: Child,
    started: Instant,
    lines: Receiver<String>,
}

/// How a victim ended.
pub(crate) struct Output {
    /// What it printed: whole lines only, because a kill can end the last one early.
    pub(crate) lines: Vec<String>,
    pub(crate) status: ExitStatus,
    pub(crate) killed: bool,
}

impl Victim {
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn()?;
        let output = child.stdout.take().ok_or_else(|| io::Error::other("the output was not piped"))?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || send_whole_lines(output, &sender));
        Ok(Self { child, started: Instant::now(), lines })
    }

    /// Kills it then, and waits for its end.
    pub(crate) fn end_at(mut self, moment: Moment) -> io::Result<Output> {
        let mut lines = Vec::new();
        match moment {
            Moment::After(time) => thread::sleep(time.saturating_sub(self.started.elapsed())),
            // Fewer lines than that: it has ended.
            Moment::AtLine(count) => lines.extend(self.lines.iter().take(count)),
        }
        self.child.kill()?;
        self.end_with(lines)
    }

    /// Waits for its end.
    pub(crate) fn end(self) -> io::Result<Output> {
        self.end_with(Vec::new())
    }

    fn end_with(mut self, mut lines: Vec<String>) -> io::Result<Output> {
        // The lines end when it does.
        lines.extend(self.lines.iter());
        let status = self.child.wait()?;
        Ok(Output { lines, killed: status.signal() == Some(SIGKILL), status })
    }
}

const SIGKILL: i32 = 9;

fn send_whole_lines(output: ChildStdout, lines: &Sender<String>) {
    let mut reader = BufReader::new(output);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok() {
        let Some(whole) = line.strip_suffix('\n') else { return };
        if lines.send(whole.to_owned()).is_err() {
            return;
        }
        line.clear();
    }
}
