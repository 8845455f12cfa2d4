//! Goldens that right operators left, and the same operators broken.

use std::{
    collections::BTreeMap,
    env, fs,
    path::Path,
    process::{Command, Output},
};

use libtest_mimic::Failed;
use validation::evidence;

use crate::{DEFECT_VARIABLE, HARNESS_VARIABLE, defects::Defect};

const MATRIX: &str = include_str!("matrix.yaml");

/// What the matrix of defects gets in addition: goldens to be written, and a profile that reproduces them.
const SUITE: &str = "suites:
  backward_compat: {write: {problems: [only, endless], distributions: [uniform]}, releases: {}}
";
const PROFILE: &str = "profiles:
  goldens:
    description: All goldens.
    set: {deadline_s: 4}
    select: [{suites: [backward_compat], devices: [cpu], goldens: all}]
";

/// The harness in a folder.
fn harness(folder: &Path) -> Result<Command, Failed> {
    let mut command = Command::new(env::current_exe()?);
    command.env(HARNESS_VARIABLE, "1").current_dir(folder);
    Ok(command)
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

pub(crate) fn every_defect_fails() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let matrix = folder.path().join("matrix.yaml");
    let text = MATRIX.replacen("suites:\n", SUITE, 1);
    fs::write(&matrix, &text)?;
    let written = harness(folder.path())?
        .env(DEFECT_VARIABLE, "clean")
        .args(["golden", "write", "--release", "0.9.0"])
        .output()?;
    let message = printed(&written);
    let (_, hash) = message.trim_end().rsplit_once(": ").ok_or_else(|| message.clone())?;
    let text = text.replacen("releases: {}", &format!("releases: {{0.9.0: {hash}}}"), 1);
    fs::write(&matrix, text.replacen("profiles:\n", PROFILE, 1))?;

    let broken = harness(folder.path())?.args(["--profile", "goldens", "--output", "evidence"]).output()?;
    assert_eq!(broken.status.code(), Some(1), "{}", printed(&broken));
    let run = evidence::run::find(&folder.path().join("evidence"), "latest")?;
    let log = evidence::read_log(&run.join("records.jsonl"))?;
    let mut seen = BTreeMap::new();
    for record in &log.records {
        let defect = Defect::of_operator_name(&record.cell.operator).ok_or("a record of an unknown operator")?;
        *seen.entry(defect).or_insert(0) += 1;
        assert!(defect.verdict_is_right(&record.cell, &record.verdict), "{}: {:?}", record.cell, record.verdict);
    }
    assert!(Defect::CPU.iter().all(|defect| seen.get(defect) == Some(&3)), "{seen:?}");
    Ok(())
}
