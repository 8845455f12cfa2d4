//! What happens to a run in its middle: Ctrl-C ends it early with exit status 130, lost evidence is noticed at its end,
//! and `--resume` makes up for either.

use std::{
    fs::{self, OpenOptions},
    io::{BufRead, BufReader, Read},
    os::unix::fs::FileExt,
    process::{Child, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use validation::verdict::Verdict;
use validation_testing::{
    compile,
    project::{Ended, Project, names},
};

/// A run whose last cells do not end before there is a file `gate` in the project's folder.
struct Gated {
    project: Project,
    /// What the program is told.
    arguments: [String; 5],
}

impl Gated {
    fn new() -> Self {
        let project = Project::new();
        let library = compile::fixture("waits", &project.path("")).display().to_string();
        let arguments = ["--profile", "gated", "--subject", &library, "--test-threads=1"].map(str::to_owned);
        Self { project, arguments }
    }

    fn open(&self) {
        fs::write(self.project.path("gate"), "").unwrap();
    }

    fn planned(&self) -> Vec<String> {
        self.project.listed(&self.arguments.each_ref().map(String::as_str))
    }

    /// Runs the program, and does this to it as soon as it has acknowledged two cells of many.
    fn disturb(&self, disturbance: impl FnOnce(&Child)) -> Ended {
        let mut command = self.project.command();
        command.args(&self.arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        for _ in 0..2 {
            output.read_line(&mut text).unwrap();
        }
        disturbance(&child);
        output.read_to_string(&mut text).unwrap();
        let mut ended = Ended::from(child.wait_with_output().unwrap());
        ended.stdout = text;
        ended
    }

    fn interrupt(&self, signal: Signal) -> Ended {
        self.disturb(|child| kill(Pid::from_raw(child.id() as i32), signal).unwrap())
    }

    fn resume(&self, run: &str) -> Ended {
        let arguments = self.arguments.iter().map(String::as_str).chain(["--resume", run]).collect::<Vec<_>>();
        self.project.run(&arguments)
    }
}

#[test]
fn an_interrupted_run_is_finished_by_resuming_it() {
    let gated = Gated::new();
    let planned = gated.planned();
    let ended = gated.interrupt(Signal::SIGINT);
    assert_eq!(ended.code, Some(130), "{}", ended.printed());
    let first = gated.project.records();
    assert!((2..planned.len()).contains(&first.len()), "{} of {} cells ended", first.len(), planned.len());
    let run = gated.project.only_run();
    let name = run.file_name().unwrap().to_str().unwrap();
    assert!(ended.stdout.contains(&format!("INTERRUPTED: `--resume {name}` finishes the rest")), "{}", ended.stdout);

    gated.open();
    let ended = gated.resume(name);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    let all = gated.project.records();
    assert_eq!(all[..first.len()], first);
    assert_eq!(names(&all), planned.into_iter().collect());
    assert!(all.iter().all(|record| record.verdict == Verdict::Pass));
    assert!(run.join("environment-1.json").exists());
}

#[test]
fn a_termination_is_an_interrupt_too() {
    let ended = Gated::new().interrupt(Signal::SIGTERM);
    assert_eq!(ended.code, Some(130), "{}", ended.printed());
    assert!(ended.stdout.contains("INTERRUPTED"), "{}", ended.stdout);
}

#[test]
fn a_record_that_is_lost_during_the_run_is_missed_at_its_end() {
    let gated = Gated::new();
    let ended = gated.disturb(|_| {
        let log = gated.project.only_run().join("records.jsonl");
        // In the first record, which is durable.
        OpenOptions::new().write(true).open(log).unwrap().write_all_at(b"?", 60).unwrap();
        gated.open();
    });
    assert_eq!(ended.code, Some(4), "{}", ended.printed());
    assert!(ended.stdout.contains("damaged evidence: line 1 (byte 0): corrupt"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("PASSED"), "{}", ended.stdout);
    assert!(
        ended.stderr.starts_with("error: no intact record is left of 1 executed cells; `--resume "),
        "{}",
        ended.stderr
    );

    let ended = gated.resume("latest");
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
}
