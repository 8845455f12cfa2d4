//! The harness can fail: wrong operators draw exactly the verdict they should, and the others still run.
//!
//! This program is two things. Started with the arguments of `validation` it is a harness of its own, with a registry
//! of broken operators, as a stranger would build one; its workers are itself. Started by cargo it runs that harness
//! in a child process and reads the records that it leaves.

#[path = "broken_operators/bundles.rs"]
mod bundles;
#[path = "broken_operators/defects.rs"]
mod defects;
#[path = "broken_operators/goldens.rs"]
mod goldens;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::Path,
    process::{Command, ExitCode, Output},
};

use defects::Defect;
use libtest_mimic::{Arguments, Failed, Trial};
use robocache_core::{cuda::usable_gpus, cupti::Cupti, operators, registry::Registry};
use validation::{evidence, verdict::Verdict};

/// Tells this program to be the harness. Its workers inherit it.
const HARNESS_VARIABLE: &str = "ROBOCACHE_BROKEN_OPERATORS_HARNESS";

/// Gives all operators this defect, whatever they are called: `clean` repairs them.
const DEFECT_VARIABLE: &str = "ROBOCACHE_BROKEN_OPERATORS_DEFECT";

fn main() -> ExitCode {
    if env::var_os(HARNESS_VARIABLE).is_some() {
        return validation::main(registry());
    }
    let trials = vec![
        Trial::test("every_defect_draws_its_verdict", || every_defect_draws_its_verdict("quick", Defect::CPU)),
        Trial::test("random_problems_find_and_shrink", random_problems_find_and_shrink),
        Trial::test("the_time_of_wrong_bits_is_none", the_time_of_wrong_bits_is_none),
        Trial::test("crashes_are_retried_and_wrong_bits_are_not", crashes_are_retried_and_wrong_bits_are_not),
        Trial::test("every_cuda_defect_draws_its_verdict", || every_defect_draws_its_verdict("cuda", Defect::CUDA))
            .with_kind("needs an NVIDIA GPU")
            .with_ignored_flag(usable_gpus().is_err()),
        Trial::test("every_launch_defect_draws_its_verdict", || {
            every_defect_draws_its_verdict("launches", Defect::LAUNCHES)
        })
        .with_kind("needs an NVIDIA GPU and CUPTI")
        .with_ignored_flag(usable_gpus().is_err() || Cupti::load().is_err()),
        Trial::test("every_defect_fails_against_its_goldens", goldens::every_defect_fails),
        Trial::test("every_bundle_gives_the_same_bits", bundles::every_bundle_gives_the_same_bits),
        Trial::test("a_minimised_bundle_is_small_and_gives_the_same_bits", bundles::minimised_bundles_are_small),
        Trial::test("a_counterexample_is_replayed_on_its_own_inputs", bundles::counterexamples_are_replayed),
        Trial::test("a_benchmark_of_wrong_bits_is_replayed", bundles::benchmarks_are_replayed),
        Trial::test("inputs_that_are_too_large_come_back_from_the_seed", bundles::large_inputs_are_left_out),
        Trial::test("the_row_that_fails_is_found", bundles::failing_rows_are_found),
        Trial::test("a_postmortem_is_drafted_once", bundles::postmortems_are_drafted),
        Trial::test("a_failure_prints_its_first_element_and_how_to_repeat_it", failures_are_explained),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The operators under their names. They have the defects that they are called by, or all the one that somebody chose.
fn registry() -> Registry {
    let mut registry = Registry::new();
    let chosen = env::var(DEFECT_VARIABLE).ok();
    for operator in operators::registry().iter() {
        for defect in Defect::all().collect::<BTreeSet<_>>() {
            let name = defect.operator_name(operator.name());
            let chosen = chosen.as_ref().map(|word| Defect::of_word(word).expect("the word of a defect"));
            let defect = chosen.unwrap_or(defect);
            let operator = defects::Broken { name, inner: operator.clone(), defect };
            registry.register(operator).expect("names of defects are unique");
        }
    }
    registry
}

/// Runs the harness over the matrix of defects, in a folder of its own.
fn run_harness(output: &Path, arguments: &[&str]) -> Result<Output, Failed> {
    let matrix = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken_operators/matrix.yaml");
    let output = Command::new(env::current_exe()?)
        .env(HARNESS_VARIABLE, "1")
        .args(arguments)
        .args(["--matrix".as_ref(), matrix.as_os_str(), "--output".as_ref(), output.as_os_str()])
        .output()?;
    Ok(output)
}

fn every_defect_draws_its_verdict(profile: &str, defects: &[Defect]) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let output = run_harness(folder.path(), &["--profile", profile])?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{printed}");

    let run = evidence::run::find(folder.path(), "latest")?;
    let log = evidence::read_log(&run.join("records.jsonl"))?;
    let mut wrong = BTreeMap::new();
    let mut seen = BTreeMap::new();
    for record in &log.records {
        let defect = Defect::of_operator_name(&record.cell.operator).ok_or("a record of an unknown operator")?;
        *seen.entry(defect).or_insert(0) += 1;
        if !defect.verdict_is_right(&record.cell, &record.verdict) {
            wrong.insert(record.cell.name.clone(), record.verdict.clone());
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for defect in defects {
        // Three operators in two suites each: a defect that lost a cell took somebody else down with it.
        assert_eq!(seen.get(defect), Some(&6), "{defect:?} of {seen:?}");
    }
    Ok(())
}

fn random_problems_find_and_shrink() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    run_harness(folder.path(), &["--profile", "random"])?;
    let run = evidence::run::find(folder.path(), "latest")?;
    let log = evidence::read_log(&run.join("records.jsonl"))?;
    let [record] = &log.records[..] else { return Err(format!("{} records", log.records.len()).into()) };
    assert!(Defect::RightForOneShape.verdict_is_right(&record.cell, &record.verdict), "{:?}", record.verdict);
    Ok(())
}

fn the_time_of_wrong_bits_is_none() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let output = run_harness(folder.path(), &["bench"])?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{printed}");
    let run = evidence::run::find(folder.path(), "latest")?;
    let log = evidence::read_log(&run.join("records.jsonl"))?;
    assert_eq!(log.records.len(), 5);
    for record in &log.records {
        let defect = Defect::of_operator_name(&record.cell.operator).ok_or("a record of an unknown operator")?;
        assert!(defect.verdict_is_right(&record.cell, &record.verdict), "{}: {:?}", record.cell, record.verdict);
        // What is shown as a time is one.
        let rows = printed.matches(&format!("\u{2502} {} ", record.cell.operator)).count();
        assert_eq!(rows, if defect == Defect::WrongLater { 0 } else { 2 }, "{}: {printed}", record.cell);
    }
    Ok(())
}

fn crashes_are_retried_and_wrong_bits_are_not() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let attempts = || -> Result<Vec<(Defect, u32)>, Failed> {
        let log = evidence::read_log(&evidence::run::find(folder.path(), "latest")?.join("records.jsonl"))?;
        let of = |operator: &str| Defect::of_operator_name(operator).expect("an operator of this program");
        Ok(log.records.iter().map(|record| (of(&record.cell.operator), record.attempt)).collect())
    };
    run_harness(folder.path(), &["--profile", "retried", "--test-threads=1"])?;
    let made = attempts()?;
    let crashes: Vec<u32> = made.iter().filter(|(defect, _)| *defect == Defect::Abort).map(|&(_, n)| n).collect();
    assert_eq!(crashes, [1, 2, 3]);
    assert_eq!(made.len(), 4, "{made:?}");
    // Nothing is left to be done: neither cells nor retries.
    run_harness(folder.path(), &["--profile", "retried", "--resume"])?;
    assert_eq!(attempts()?, made);
    Ok(())
}

fn failures_are_explained() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let output = run_harness(folder.path(), &["accuracy::resample_flipped_bit"])?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let name = "accuracy::resample_flipped_bit::cpu::f32::b2_s9_d5_t7_f32::uniform";
    assert!(printed.contains(&format!("--exact {name}")), "{printed}");
    assert!(printed.contains("1 of 70 elements"), "{printed}");
    assert!(printed.contains("[1, 6, 4]"), "the flipped element's index is missing: {printed}");

    let run = evidence::run::find(folder.path(), "latest")?;
    let log = evidence::read_log(&run.join("records.jsonl"))?;
    assert_eq!(log.records.len(), 1);
    assert!(matches!(log.records[0].verdict, Verdict::Fail { .. }));
    Ok(())
}
