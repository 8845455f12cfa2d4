//! `validation bench --against` at its boundary.

use std::{
    fs,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use validation::gate::{Conclusion, Decision, GateRecord};
use validation_testing::project::{Ended, Project, program};

const PROGRAM: &str = env!("CARGO_BIN_EXE_validation");

/// Compares this program with itself on one small cell.
fn against_itself(project: &Project, more: &[&str]) -> Ended {
    let arguments = ["--against", PROGRAM, "--series", "hot", "resample::cpu::f32::b8_s200_d64_t100_f32"];
    project.bench(&[&arguments, more].concat())
}

fn record(project: &Project) -> GateRecord {
    GateRecord::from_json(&fs::read(project.only_run().join("gate.json")).unwrap()).unwrap()
}

// Other tests run beside these and slow some turns down tenfold. So programs are told apart here that differ by much more;
// how well 3 % is told from nothing is what `cargo bench -p validation --bench gate` measures.

#[test]
fn a_program_is_not_slower_than_itself_and_leaves_evidence() {
    let project = Project::new();
    let ended = against_itself(&project, &["--rounds", "8", "--margin", "100"]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    assert!(ended.stdout.contains("NO REGRESSION: none of 1 is slower by 30000 % or more"), "{}", ended.printed());
    let record = record(&project);
    assert_eq!(record.conclusion, Conclusion::NoRegression);
    assert_eq!((record.design.margin, record.design.resolution), (100.0, 300.0));
    assert_eq!(record.baseline.program.hash, record.candidate.program.hash);
    assert_eq!((record.units.len(), record.units[0].rounds.len()), (1, 8));
    assert_eq!(record.judged_again(&record.design), record, "the evidence says the same again");
    assert!(project.only_run().join("environment.json").exists() && project.only_run().join("matrix.yaml").exists());
}

#[test]
fn a_program_that_takes_a_hundred_times_as_long_is_a_regression() {
    let project = Project::new();
    let ended = against_itself(&project, &["--rounds", "8", "--margin", "0.5", "--handicap", "99"]);
    assert_eq!(ended.code, Some(1), "{}", ended.printed());
    assert!(ended.stdout.contains("REGRESSION: 1 of 1 are slower by more than 50 %"), "{}", ended.stdout);
    let record = record(&project);
    let judgement = record.units[0].judgement.unwrap();
    assert_eq!((record.handicap, judgement.decision), (99.0, Some(Decision::Regression)));
    assert!(judgement.ratio.ratio() > 1.5, "{judgement:?}");
}

#[test]
fn what_cannot_be_compared_is_refused_before_anything_is_measured() {
    let project = Project::new();
    fs::write(project.path("times.txt"), "0.001").unwrap();
    for (arguments, expected) in [
        (["--against", "times.txt", "resample"], "`times.txt` cannot be run here: it is not executable"),
        (["--against", "no_such_revision", "resample"], "`no_such_revision` is neither a program nor a git revision"),
        (["--against", "/bin/true", "resample::cpu"], "the baseline cannot be compared: it does not measure"),
        (["--against", PROGRAM, "nothing_has_this_name"], "no cell of profile `smoke` matches the filters"),
        (["--handicap", "0.03", "resample"], "--against <REV|BINARY>"),
        (["--margin", "0", "--against=x"], "a margin is above 0"),
        (["--against=x", "--series", "lukewarm"], "unknown series `lukewarm`"),
    ] {
        let ended = project.bench(&arguments);
        assert_eq!(ended.code, Some(2), "{}", ended.printed());
        let message = ended.stderr.replace(&format!("{}/", project.path("").display()).replace("//", "/"), "");
        assert!(message.contains(expected), "{message}");
    }
    assert!(!project.output().exists(), "a refusal leaves no evidence");
}

#[test]
fn stored_times_are_refused_and_said_to_be_of_another_machine_or_matrix() {
    let project = Project::new();
    assert_eq!(project.run(&["--profile", "trivial", "accuracy"]).code, Some(0));
    let run = project.only_run();
    let name = run.file_name().unwrap().to_str().unwrap().to_owned();
    let refusal = |against: &str| {
        let ended = project.bench(&["--against", against, "resample"]);
        assert_eq!(ended.code, Some(2), "{}", ended.printed());
        assert!(ended.stderr.contains("holds stored times"), "{}", ended.stderr);
        ended.stderr
    };
    for against in [run.to_str().unwrap(), run.join("records.jsonl").to_str().unwrap(), &name, "latest"] {
        let message = refusal(against);
        assert!(!message.contains("besides"), "{message}");
    }
    let path = run.join("environment.json");
    let environment = fs::read_to_string(&path).unwrap();
    let mut environment: serde_json::Value = serde_json::from_str(&environment).unwrap();
    environment["host"]["cpu"] = "another one".into();
    environment["selection"]["matrix_hash"] = "0".into();
    fs::write(&path, environment.to_string()).unwrap();
    let message = refusal("latest");
    assert!(message.contains("of another machine") && message.contains("with another matrix"), "{message}");
}

#[test]
fn an_interrupted_comparison_ends_at_once_and_leaves_no_process() {
    let project = Project::new();
    let mut command = program();
    command.arg("bench").arg("--matrix").arg(project.matrix()).arg("--output").arg(project.output());
    command.args(["--against", PROGRAM, "--rounds", "10000", "resample::cpu"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let measuring = || {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap_or_default();
        children.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let begin = Instant::now();
    while measuring().len() < 3 {
        assert!(begin.elapsed() < Duration::from_secs(30), "three processes never ran");
        thread::sleep(Duration::from_millis(5));
    }
    let processes = measuring();
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(130), "{}", ended.printed());
    assert!(begin.elapsed() < Duration::from_secs(40));
    for process in processes {
        let state = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
    }
    assert!(!project.output().exists());
}

#[test]
fn measuring_by_hand_is_refused() {
    let output = program().arg("measure").stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not by hand"));
}
