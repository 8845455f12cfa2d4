//! Bundles of recorded inputs, and the paths that they name.

use std::fs;

use validation::{
    bundle::{self, Role},
    cell::Input,
    evidence::Fact,
    suites::SuiteSettings,
};
use validation_testing::project::{Project, program};

/// A good recording that the matrix expects to be bad: the failure is in the matrix, and the inputs in the recording.
const MATRIX: &str = "
version: 1
seed: 7
devices: [cpu]
limits: {deadline_s: 60, memory_mib: 1024}
suites: {determinism: {repeats: 1, fresh_process: true}, accuracy: {random_problems: 4}}
operators:
  resample: {problems: {trivial: [{b: 1, s: 1, d: 1, t: 1}]}, dtypes: [f32, bf16]}
datasets:
  whole:
    file: whole.csv
    format: csv_nanoseconds
    operator: resample
    parameters: {times: i64}
    rate_hz: 100
    expect: {rejected: decreasing_times}
profiles:
  quick:
    description: The recording.
    select: [{datasets: all}]
";

const RECORDING: &str = "#ns,x\n1000000000,1\n1010000000,2\n1020000000,3\n1050000000,4\n";

#[test]
fn a_bundle_of_a_recording_is_replayed_and_minimised_without_it() {
    let project = Project::with_matrix(MATRIX);
    let data = project.path("recorded");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("whole.csv"), RECORDING).unwrap();
    let ended = project.run(&["--data", data.to_str().unwrap()]);
    assert_eq!(ended.code, Some(1), "{}", ended.printed());
    let records = project.records();
    assert_eq!(records.len(), 4, "{}", ended.printed());
    let elsewhere = tempfile::tempdir().unwrap();
    for (number, record) in records.iter().enumerate() {
        let Some(Fact::Known(bundle)) = &record.bundle else { panic!("{:?}", record.bundle) };
        let here = elsewhere.path().join(format!("{number}.safetensors"));
        fs::copy(project.only_run().join(bundle), &here).unwrap();
    }
    fs::remove_dir_all(&data).unwrap();
    fs::remove_file(project.matrix()).unwrap();
    for (number, record) in records.iter().enumerate() {
        let name = format!("{number}.safetensors");
        let read = bundle::read(&elsewhere.path().join(&name)).unwrap();
        assert!(matches!(read.manifest.replay.input, Input::Recorded(_)));
        assert!(record.cell.parameters.get("s").is_none() && read.manifest.replay.parameters.get("s").is_some());
        assert_eq!(read.inputs().unwrap().len(), 3);
        let run = |arguments: &[&str]| {
            let output = program().current_dir(elsewhere.path()).args(arguments).output().unwrap();
            let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            (output.status.code(), printed)
        };
        let (code, printed) = run(&["repro", &name]);
        assert_eq!(code, Some(1), "{printed}");
        assert!(
            printed.contains("must be rejected as `decreasing_times`") && printed.contains("same bits"),
            "{printed}"
        );
        let (code, printed) = run(&["minimize", &name, "--into", &format!("minimal-{number}")]);
        assert_eq!(code, Some(0), "{printed}");
        let minimal =
            fs::read_dir(elsewhere.path().join(format!("minimal-{number}"))).unwrap().next().unwrap().unwrap();
        let minimal = minimal.path();
        let replay = format!(" repro minimal-{number}/{}", minimal.file_name().unwrap().to_string_lossy());
        assert!(printed.contains("  now:   fail ") && printed.contains(&replay), "{printed}");
        assert_eq!(run(&["repro", minimal.to_str().unwrap()]).0, Some(1));
        let read = bundle::read(&minimal).unwrap();
        assert!(read.of_role(Role::Input).all(|held| held.entry.stored), "{printed}");
        if let SuiteSettings::Determinism(_) = record.cell.suite {
            assert!(read.bytes < 16 << 10, "{}", read.bytes);
        }
    }
}

#[test]
fn a_run_that_passes_leaves_no_bundle_and_no_scratch() {
    let project = Project::new();
    let ended = project.run(&["accuracy::resample::cpu"]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    assert!(project.records().iter().all(|record| record.bundle.is_none()));
    let names: Vec<_> = fs::read_dir(project.only_run()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| name != "bundles" && !name.to_string_lossy().starts_with('.')), "{names:?}");
}
