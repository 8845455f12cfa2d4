//! What was written once is read for ever.

use std::{collections::BTreeMap, fs, process::Command};

use jiff::civil::date;
use robocache_core::operators;
use validation::{
    bundle,
    cell::Input,
    evidence::{Environment, Fact, Record, parse_log},
    gate::GateRecord,
    machine::Machine,
    matrix::Matrix,
    observation::{Observation, Outcome},
    plan::Plan,
    verdict::{Verdict, judge},
};
use validation_testing::{
    compile,
    project::{Project, program},
};

use crate::{bytes, path};

fn machine() -> Machine {
    Machine {
        cpus: 1,
        gpus: Vec::new(),
        cuda_missing: None,
        cupti: Err("not asked".to_owned()),
        nccl: Err("not asked".to_owned()),
        datasets: BTreeMap::new(),
        goldens: BTreeMap::new(),
        subject: None,
        launched: None,
    }
}

/// The cells of a matrix of version 1, and their seeds: neither may change, or all evidence by such a matrix is void.
#[test]
fn a_matrix_of_version_1_stands_for_the_same_cells_and_data() {
    let registry = operators::registry();
    let text = bytes("matrix_1.yaml");
    let matrix = Matrix::from_bytes("matrix_1.yaml", &text, &registry).unwrap_or_else(|error| panic!("{error}"));
    let mut cells = Vec::new();
    for profile in ["quick", "lab"] {
        let plan = Plan::expand(&matrix, profile, &machine(), &registry, date(2026, 11, 26));
        let plan = plan.unwrap_or_else(|error| panic!("{error}"));
        cells.extend(plan.cells.iter().map(|planned| format!("{} {}\n", planned.cell.seed, planned.cell.name)));
    }
    insta::assert_snapshot!(cells.concat());
}

fn records(name: &str) -> Vec<Record> {
    let log = parse_log(&bytes(name)).unwrap();
    assert_eq!(log.findings(), [""; 0], "{name}");
    log.records
}

/// What a record of format 1 says is what it is judged to be today.
#[test]
fn records_of_format_1_are_read_and_judged_as_they_were() {
    let mut seen = BTreeMap::new();
    for name in ["records_1.jsonl", "records_1_goldens.jsonl", "records_1_times.jsonl", "records_1_ranks.jsonl"] {
        for record in records(name) {
            *seen.entry((record.cell.suite.name(), record.verdict.word())).or_insert(0) += 1;
            match &record.outcome {
                Some(outcome) => assert_eq!(judge(&record.cell, outcome), record.verdict, "{}", record.cell),
                None => assert_eq!(record.verdict.word(), "skip", "{}", record.cell),
            }
        }
    }
    let suites = [
        ("accuracy", "pass"),
        ("accuracy", "skip"),
        ("backward_compat", "fail"),
        ("backward_compat", "pass"),
        ("backward_compat", "skip"),
        ("determinism", "pass"),
        ("determinism", "skip"),
        ("multi_gpu", "pass"),
        ("performance", "pass"),
    ];
    assert_eq!(seen.into_keys().collect::<Vec<_>>(), suites);
}

#[test]
fn an_environment_of_format_1_is_read() {
    let environment = Environment::read(&path("environment_1.json")).unwrap();
    assert_eq!(environment.program.commit, Fact::Known("c0ffee00".repeat(5)));
    assert_eq!(environment.to_json(), String::from_utf8(bytes("environment_1.json")).unwrap());
}

#[test]
fn a_comparison_of_format_1_is_read_and_judged_as_it_was() {
    let record = GateRecord::from_json(&bytes("gate_1.json")).unwrap();
    assert_eq!(record.units.len(), 4);
    assert_eq!(record.judged_again(&record.design.clone()), record);
}

#[test]
fn a_bundle_of_version_1_is_read_with_its_tensors() {
    let bundle = bundle::read(&path("bundle_1.safetensors")).unwrap();
    let manifest = &bundle.manifest;
    assert_eq!(manifest.cell.name, "backward_compat::fuse::cpu::f16::b1_t4_3x2_2x1_f32::uniform::0.9.0");
    assert!(matches!(&manifest.cell.input, Input::Golden(golden) if golden.release == "0.9.0"));
    assert!(matches!(&manifest.verdict, Verdict::Fail { reason } if reason.contains("`y`")));
    let Outcome::Observed(observation) = &manifest.outcome else { panic!("{:?}", manifest.outcome) };
    assert!(matches!(**observation, Observation::BackwardCompat(_)));
    assert_eq!(bundle.inputs().map(|inputs| inputs.len()), Some(5));
    assert_eq!(bundle::encode(manifest, &bundle.tensors).unwrap(), bytes("bundle_1.safetensors"));
}

/// A library that was built against the header of version 1 is loaded, and gives the bits of the goldens.
#[test]
fn a_subject_of_version_1_is_called_as_it_was_built() {
    let project = Project::of_repository();
    let library = project.path("subject_1.so");
    let built = Command::new("cc")
        .args(["-std=c99", "-O1", "-Wall", "-Werror", "-ffp-contract=off", "-fPIC", "-shared", "-fvisibility=hidden"])
        .arg(format!("-I{}", path("subject_1").display()))
        .args(
            ["subject.c", "interpolate.c", "voxelize.c"]
                .map(|name| compile::root().join("examples/c_subject").join(name)),
        )
        .args(["-lm", "-o"])
        .arg(&library)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let described = program().arg("subject").arg(&library).output().unwrap();
    let described: serde_json::Value = serde_json::from_slice(&described.stdout).unwrap();
    assert_eq!(described["abi_version"], 1, "{described}");
    let ended = project.run(&["--subject", &library.display().to_string(), "backward_compat", "--skip", "::cuda::"]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    assert!(ended.stdout.contains(" 0 failed, 0 skipped"), "{}", ended.printed());
}

/// The header of version 1 is in the fixtures as it was when it was frozen. Version 2 may add to it.
#[test]
fn the_header_of_version_1_says_that_it_is_that() {
    let header = fs::read_to_string(path("subject_1/robocache_subject.h")).unwrap();
    assert!(header.contains("#define RC_SUBJECT_ABI_VERSION 1\n"));
}
