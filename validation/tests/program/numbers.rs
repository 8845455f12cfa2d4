//! What people read of times: the table, the picture, and `docs/perf_numbers.md`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use robocache_core::{dtype::DType, timing::Series};
use validation::{
    cell::Device,
    evidence::{Environment, Record, read_log},
    matrix::Kind,
    numbers::Published,
    observation::{Observation, Outcome},
    report::{chart, markdown, numbers, performance},
    verdict::Verdict,
};
use validation_testing::{
    fixture::{cell, fixed_environment, passed, series, timed},
    project::{Project, program},
};

fn records() -> Vec<Record> {
    let mut wrong = timed("resample", Device::Cuda, DType::F16, "b4", 1.0, vec![series(Series::Cold, 1.0, 0.01)]);
    wrong.verdict = Verdict::Fail { reason: "`y` is wrong".to_owned() };
    let Some(Outcome::Observed(observation)) = &mut wrong.outcome else { unreachable!("as made above") };
    let Observation::Performance(facts) = &mut **observation else { unreachable!("as made above") };
    facts.wrong_output = Some("`y` is wrong".to_owned());
    let on_gpu = [(Series::Cold, 104.2, 1.042), (Series::Stream, 99.0, 1.01), (Series::Graph, 97.2, 0.99)];
    let on_gpu = on_gpu.map(|(name, microseconds, ratio)| series(name, microseconds, ratio)).to_vec();
    vec![
        timed("resample", Device::Cpu, DType::F32, "b32", 1.5, vec![series(Series::Hot, 12_345.6, 7.25)]),
        timed("resample", Device::Cuda, DType::Bf16, "b1024", 1.05, on_gpu),
        timed("fuse", Device::Cuda, DType::Bf16, "b1024", 1.05, vec![series(Series::Cold, 1_042.0, 1.21)]),
        wrong,
        // A cell of another suite has no time.
        passed("n1000"),
    ]
}

#[test]
fn the_table_is_grouped_by_operator_with_the_gpu_first() {
    insta::assert_snapshot!(performance::table(&performance::rows(&records())).unwrap().framed());
    assert!(performance::table(&performance::rows(&[passed("n1000")])).is_none());
}

#[test]
fn the_picture_has_a_bar_for_each_time_and_a_mark_for_each_limit() {
    insta::assert_snapshot!(chart::render(&performance::rows(&records())));
}

#[test]
fn the_document_has_the_method_the_machine_and_the_tables() {
    let mut environment = fixed_environment();
    (environment.selection.kind, environment.selection.profile) = (Kind::Benchmark, "full".to_owned());
    insta::assert_snapshot!(numbers::render(&[Published { environment, records: records() }]));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_published_document_is_what_its_evidence_renders_to() {
    let document = fs::read_to_string(root().join("docs/perf_numbers.md")).unwrap();
    let runs = document.lines().find_map(|line| line.strip_prefix(numbers::RUNS)).expect("the names of the runs");
    let folders: Vec<_> = runs.trim_end_matches("-->").split_whitespace().collect();
    assert!(!folders.is_empty(), "a document of nothing");
    let published = folders.iter().map(|folder| Published::read(&root().join(folder)).unwrap());
    similar_asserts::assert_eq!(numbers::render(&published.collect::<Vec<_>>()), document);
    for folder in folders {
        // The picture too is what the records render to.
        let published = Published::read(&root().join(folder)).unwrap();
        let picture = fs::read_to_string(root().join(folder).join("performance.svg")).unwrap();
        assert!(picture == chart::render(&performance::rows(&published.records)), "{folder}/performance.svg");
    }
}

#[test]
fn published_reports_are_what_their_evidence_renders_to() {
    let page = fs::read_to_string(root().join("docs/multi_gpu.md")).unwrap();
    let reports: Vec<_> =
        page.split(['(', ')']).filter_map(|link| link.strip_prefix("../")?.strip_suffix("/report.md")).collect();
    assert!(!reports.is_empty(), "no report is published");
    for folder in reports {
        let published = root().join(folder);
        let environment = Environment::read(&published.join("environment.json")).unwrap();
        let records = read_log(&published.join("records.jsonl")).unwrap().records;
        let report = markdown::render(&[(&environment, &published, &records)], &[]);
        similar_asserts::assert_eq!(report, fs::read_to_string(published.join("report.md")).unwrap(), "{folder}");
    }
}

#[test]
fn only_runs_with_times_of_a_release_build_are_published() {
    let project = Project::new();
    assert_eq!(project.bench(&["::cpu::f32::b8_s200_d64_t100_f32"]).code, Some(0));
    let render = |which: &str| project.bench(&["--render", which]);
    let run = project.only_run();
    let ended = render("latest");
    let document = project.path("docs/perf_numbers.md");
    if cfg!(debug_assertions) {
        assert_eq!(ended.code, Some(2), "{}", ended.printed());
        assert!(ended.stderr.contains("was made by a debug build"), "{}", ended.stderr);
        assert!(!document.exists());
        let path = run.join("environment.json");
        let environment = fs::read_to_string(&path).unwrap().replace("\"debug\"", "\"release\"");
        fs::write(&path, environment).unwrap();
    }
    let ended = render(run.to_str().unwrap());
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    assert!(fs::read_to_string(&document).unwrap().contains("### resample"), "no table");
    assert_eq!(render("no_such_run").code, Some(2));

    let validated = Project::new();
    assert_eq!(validated.run(&["accuracy::resample::cpu::f32::b1"]).code, Some(0));
    let path = validated.only_run().join("environment.json");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("\"debug\"", "\"release\"")).unwrap();
    let mut command: Command = program();
    command.args(["bench", "--render", "latest", "--matrix"]).arg(validated.matrix());
    let output = command.arg("--output").arg(validated.output()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("holds no times"));
}

#[test]
fn a_cell_says_what_it_was_fed_unless_that_is_usual() {
    assert_eq!(performance::problem(&cell("n1000")), "n1000");
}
