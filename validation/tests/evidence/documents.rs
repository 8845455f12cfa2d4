//! `docs/evidence.md` says what is true: its examples are what this program writes, and its commands run.
//!
//! `UPDATE_DOCUMENTS=1 cargo test -p validation --test evidence` writes the examples anew.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use robocache_core::{dtype::DType, timing::Series};
use validation::{
    cell::Device,
    evidence::{Record, parse_log},
};
use validation_testing::fixture::{MATRIX, every_verdict, fixed_environment, log_of, series, timed};

fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/evidence.md")
}

/// The fenced block behind the comment `<!-- label -->`: its place in the text, without the fences.
fn block<'text>(text: &'text str, label: &str) -> &'text str {
    let comment = format!("<!-- {label} -->\n```");
    let start = text.find(&comment).unwrap_or_else(|| panic!("no `{label}` in docs/evidence.md")) + comment.len();
    let body = start + text[start..].find('\n').unwrap() + 1;
    &text[body..body + text[body..].find("```").unwrap()]
}

/// Fails if an example is not this, or makes it so if that is asked for.
fn check_example(label: &str, expected: &str) {
    let text = fs::read_to_string(document()).unwrap();
    let found = block(&text, label);
    if found != expected && env::var_os("UPDATE_DOCUMENTS").is_some() {
        let start = found.as_ptr() as usize - text.as_ptr() as usize;
        let updated = [&text[..start], expected, &text[start + found.len()..]].concat();
        fs::write(document(), updated).unwrap();
        return;
    }
    assert_eq!(found, expected, "run this test with UPDATE_DOCUMENTS=1, and look at the difference");
}

// One test, because both examples are in one file.
#[test]
fn the_examples_are_what_this_program_writes() {
    let (_root, _, bytes) = log_of(&every_verdict()[..1]);
    check_example("example: frame", std::str::from_utf8(&bytes).unwrap());
    check_example("example: environment", &fixed_environment().to_json());

    let text = fs::read_to_string(document()).unwrap();
    let contents = parse_log(block(&text, "example: frame").as_bytes()).unwrap();
    assert_eq!((contents.records.as_slice(), contents.findings().len()), (&every_verdict()[..1], 0));
}

#[test]
fn the_checksum_is_what_the_document_says() {
    let (_root, _, bytes) = log_of(&every_verdict()[..1]);
    let line = String::from_utf8(bytes).unwrap();
    let (frame, body) = line.trim_end().split_once(r#","record":"#).unwrap();
    let body = body.strip_suffix('}').unwrap();
    let checksum = blake3::hash(format!("1 0 {body}").as_bytes());
    assert_eq!(frame, format!(r#"{{"format":1,"sequence":0,"checksum":"{checksum}""#));
}

fn a_timed_record() -> Record {
    timed("fuse", Device::Cuda, DType::Bf16, "b4", 2.0, vec![series(Series::Cold, 104.2, 1.042)])
}

#[test]
fn times_come_back_from_a_record_as_they_were() {
    let records = [a_timed_record()];
    let (_root, _, bytes) = log_of(&records);
    assert_eq!(parse_log(&bytes).unwrap().records, records);
}

/// Needs `jq`: the commands are for people who have it.
#[test]
fn the_commands_run() {
    if Command::new("jq").arg("--version").output().is_err() {
        assert!(env::var_os("CI").is_none(), "install jq: continuous integration checks the commands of the documents");
        eprintln!("jq is not installed: the commands of docs/evidence.md were not run");
        return;
    }
    let (_root, path, _) = log_of(&every_verdict());
    let folder = path.parent().unwrap();
    fs::write(folder.join("environment.json"), fixed_environment().to_json()).unwrap();
    let text = fs::read_to_string(document()).unwrap();
    let run_in = |folder: &Path, label: &str| {
        let output = Command::new("sh").args(["-ec", block(&text, label)]).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{label}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let run = |label: &str| run_in(folder, label);
    assert_eq!(run("command: verdicts").split_whitespace().filter(|word| *word == "1").count(), 6);
    assert_eq!(run("command: failures").lines().count(), 4);
    assert!(run("command: failures").starts_with("determinism::voxelize::cpu::f32::n2000::uniform\n"));
    assert_eq!(run("command: slowest").lines().count(), 6);
    assert!(run("command: slowest").starts_with("12.25\t"));
    assert_eq!(run("command: skipped").trim(), "1 machine_lacks: cuda: no NVIDIA driver");
    assert_eq!(run("command: machine"), "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00 on AMD EPYC 9654, 16 CPUs\n");
    let (_root, path, _) = log_of(&[a_timed_record(), every_verdict().remove(0)]);
    let ratios = run_in(path.parent().unwrap(), "command: ratios");
    assert_eq!(ratios, "1.042\tcold\tperformance::fuse::cuda::bf16::b4::uniform\n");
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bundle/v1.safetensors");
    fs::copy(bundle, folder.join("bundle.safetensors")).unwrap();
    assert_eq!(run("command: bundle"), "broken at rung repeat: run 1 differs\n");
    // The folder is what its own environment says it is.
    assert_eq!(fs::read(folder.join("matrix.yaml")).unwrap(), MATRIX);
}
