//! Failing cells leave bundles, and bundles give the same failures: through the whole program.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use libtest_mimic::Failed;
use tempfile::TempDir;
use validation::{
    bundle::{self, Role},
    evidence::{self, Fact, Record},
    verdict::Verdict,
};

use super::{DEFECT_VARIABLE, HARNESS_VARIABLE, defects::Defect, run_harness};

/// Exit statuses.
const PASSES_NOW: i32 = 0;
const SAME_BITS: i32 = 1;
const HARNESS_FAILED: i32 = 4;
const OTHER_BITS: i32 = 6;

/// How long a replay may take.
const REPLAY_LIMIT: Duration = Duration::from_secs(10);

/// The most bytes of a minimised bundle.
const MINIMAL_LIMIT_BYTES: u64 = 1 << 20;

/// A run of the broken operators, and the records of it.
struct Failures {
    _output: TempDir,
    run: PathBuf,
    records: Vec<Record>,
    printed: String,
}

fn failures(arguments: &[&str]) -> Result<Failures, Failed> {
    let output = tempfile::tempdir()?;
    let ended = run_harness(output.path(), arguments)?;
    let run = evidence::run::find(output.path(), "latest")?;
    let log = evidence::read_log(&run.join("records.jsonl"))?;
    let records = log.records.into_iter().filter(|record| record.verdict.is_failure()).collect();
    let printed = String::from_utf8_lossy(&ended.stdout).into_owned();
    Ok(Failures { _output: output, run, records, printed })
}

impl Failures {
    fn bundle(&self, record: &Record) -> PathBuf {
        match &record.bundle {
            Some(Fact::Known(path)) => self.run.join(path),
            Some(Fact::Missing { missing }) => panic!("{} has no bundle: {missing}", record.cell),
            None => panic!("{} names no bundle", record.cell),
        }
    }
}

/// Runs a task on a bundle in a folder that has no matrix. `defect` is what all operators have, if it is not their own.
fn harness(folder: &Path, defect: Option<&str>, arguments: &[&str], bundle: &Path) -> Result<Output, Failed> {
    let mut command = Command::new(env::current_exe()?);
    command.env(HARNESS_VARIABLE, "1").current_dir(folder).args(arguments).arg(bundle);
    command.envs(defect.map(|word| (DEFECT_VARIABLE, word)));
    Ok(command.output()?)
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// 20 of 20: three operators in two suites, and every defect of a CPU implementation.
pub(crate) fn every_bundle_gives_the_same_bits() -> Result<(), Failed> {
    let failures = failures(&["--profile", "quick"])?;
    let elsewhere = tempfile::tempdir()?;
    let (mut ways, mut suites, mut slowest) = (BTreeSet::new(), BTreeSet::new(), Duration::ZERO);
    for record in &failures.records {
        let path = elsewhere.path().join("bundle.safetensors");
        fs::copy(failures.bundle(record), &path)?;
        let begin = Instant::now();
        let output = harness(elsewhere.path(), None, &["repro"], &path)?;
        slowest = slowest.max(begin.elapsed());
        assert_eq!(output.status.code(), Some(SAME_BITS), "{}: {}", record.cell, printed(&output));
        assert!(printed(&output).contains("same bits"), "{}", printed(&output));
        let manifest = bundle::read(&path)?.manifest;
        assert_eq!(manifest.cell, record.cell);
        assert!(manifest.tensors.iter().any(|entry| entry.stored), "{} has no tensors", record.cell);
        ways.insert(bundle::way(&manifest.outcome, &manifest.verdict));
        suites.insert(record.cell.suite.name());
        assert!(failures.printed.contains(&format!(" repro {}", failures.bundle(record).display())));
    }
    println!("{} bundles, {} ways, slowest replay {slowest:?}", failures.records.len(), ways.len());
    assert!(failures.records.len() >= 20 && ways.len() >= 8 && suites.len() >= 2, "{ways:?} {suites:?}");
    assert!(slowest < REPLAY_LIMIT, "{slowest:?}");

    for (replaced_by, code, words) in
        [("clean", PASSES_NOW, "passes now"), ("skipped_tail", OTHER_BITS, "still fails, other bits")]
    {
        let others = failures.records.iter().filter(|record| {
            let defect = Defect::of_operator_name(&record.cell.operator);
            record.cell.suite.name() == "accuracy" && defect.is_some_and(|own| own != Defect::SkippedTail)
        });
        for record in others {
            let output = harness(elsewhere.path(), Some(replaced_by), &["repro"], &failures.bundle(record))?;
            assert_eq!(output.status.code(), Some(code), "{} {replaced_by}: {}", record.cell, printed(&output));
            assert!(printed(&output).contains(words), "{}", printed(&output));
        }
    }
    Ok(())
}

/// One bundle of each defect, and the smallest problem that still draws it.
pub(crate) fn minimised_bundles_are_small() -> Result<(), Failed> {
    let failures = failures(&["--profile", "minimized"])?;
    assert!(failures.records.len() >= 20, "{}", failures.printed);
    let (mut largest, mut slowest) = (0, Duration::ZERO);
    for record in &failures.records {
        let elsewhere = tempfile::tempdir()?;
        let before = failures.bundle(record);
        let output = harness(elsewhere.path(), None, &["minimize", "--into", ".", "--seconds", "20"], &before)?;
        assert_eq!(output.status.code(), Some(0), "{}: {}", record.cell, printed(&output));
        let written: Vec<_> = fs::read_dir(elsewhere.path())?.collect::<Result<_, _>>()?;
        let [after] = &written[..] else { panic!("{} files: {}", written.len(), printed(&output)) };
        let (old, new) = (bundle::read(&before)?, bundle::read(&after.path())?);
        let way = |bundle: &bundle::Bundle| bundle::way(&bundle.manifest.outcome, &bundle.manifest.verdict);
        assert_eq!((way(&new), &new.manifest.minimized_from), (way(&old), &Some(old.hash.clone())));
        println!("{}: {} bytes, {} minimised", way(&new), old.bytes, new.bytes);
        assert!(new.bytes <= MINIMAL_LIMIT_BYTES, "{}", new.bytes);
        let elements = |bundle: &bundle::Bundle| {
            bundle.tensors.iter().map(|held| held.entry.shape.iter().product::<usize>()).sum::<usize>()
        };
        assert!(elements(&new) < elements(&old), "{}: {}", record.cell, printed(&output));
        let begin = Instant::now();
        let again = harness(elsewhere.path(), None, &["repro"], &after.path())?;
        (largest, slowest) = (new.bytes.max(largest), begin.elapsed().max(slowest));
        assert_eq!(again.status.code(), Some(SAME_BITS), "{}: {}", record.cell, printed(&again));
        assert!(slowest < REPLAY_LIMIT, "{slowest:?}");
    }
    println!("{} minimised, largest {largest} bytes, slowest replay {slowest:?}", failures.records.len());
    Ok(())
}

/// The seed gives back what is too large to be kept, and its hash proves it.
pub(crate) fn large_inputs_are_left_out() -> Result<(), Failed> {
    let failures = failures(&["--profile", "large"])?;
    let [record] = &failures.records[..] else { panic!("{}", failures.printed) };
    let path = failures.bundle(record);
    let read = bundle::read(&path)?;
    let input_bytes: usize = read.of_role(Role::Input).map(|held| held.entry.shape.iter().product::<usize>() * 4).sum();
    assert!(input_bytes > 16 << 20 && read.bytes < 4 << 20, "{input_bytes} bytes of inputs, {} stored", read.bytes);
    assert!(read.of_role(Role::Input).all(|held| !held.entry.stored));
    assert!(read.of_role(Role::Actual).all(|held| held.entry.stored));
    let elsewhere = tempfile::tempdir()?;
    let output = harness(elsewhere.path(), None, &["repro"], &path)?;
    assert_eq!(output.status.code(), Some(SAME_BITS), "{}", printed(&output));
    let output = harness(elsewhere.path(), None, &["minimize", "--into", "."], &path)?;
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    let after = fs::read_dir(elsewhere.path())?.next().ok_or("nothing was written")??.path();
    let minimal = bundle::read(&after)?;
    assert!(minimal.inputs().is_some() && minimal.bytes < 16 << 10, "{} bytes", minimal.bytes);

    // Another seed, as another version of the generator would be.
    let mut manifest = read.manifest.clone();
    manifest.replay.seed = manifest.replay.seed.derive("another");
    let other = elsewhere.path().join("other");
    fs::write(&other, bundle::encode(&manifest, &read.tensors)?)?;
    let output = harness(elsewhere.path(), None, &["repro"], &other)?;
    assert_eq!(output.status.code(), Some(HARNESS_FAILED), "{}", printed(&output));
    assert!(printed(&output).contains("generates another `x`"), "{}", printed(&output));
    Ok(())
}

/// Only the data tells: drawn anew, a problem of one element would be right nearly always.
pub(crate) fn failing_rows_are_found() -> Result<(), Failed> {
    let failures = failures(&["--profile", "data"])?;
    let [record] = &failures.records[..] else { panic!("{}", failures.printed) };
    let elsewhere = tempfile::tempdir()?;
    let output = harness(elsewhere.path(), None, &["minimize", "--into", "."], &failures.bundle(record))?;
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    let after = fs::read_dir(elsewhere.path())?.next().ok_or("nothing was written")??.path();
    let inputs = bundle::read(&after)?.inputs().ok_or("it holds no inputs")?;
    assert_eq!(inputs[0].shape().extents(), [1, 1, 1], "{}", printed(&output));
    assert_eq!(inputs[0].bytes()[0], 0x5A);
    let again = harness(elsewhere.path(), None, &["repro"], &after)?;
    assert_eq!(again.status.code(), Some(SAME_BITS), "{}", printed(&again));
    Ok(())
}

/// A benchmark whose timed calls left wrong bits.
pub(crate) fn benchmarks_are_replayed() -> Result<(), Failed> {
    let failures = failures(&["bench"])?;
    assert_eq!(failures.records.len(), 3, "{}", failures.printed);
    let elsewhere = tempfile::tempdir()?;
    for record in &failures.records {
        for (defect, code) in [(None, SAME_BITS), (Some("clean"), PASSES_NOW), (Some("error"), OTHER_BITS)] {
            let output = harness(elsewhere.path(), defect, &["repro"], &failures.bundle(record))?;
            assert_eq!(output.status.code(), Some(code), "{} {defect:?}: {}", record.cell, printed(&output));
        }
    }
    Ok(())
}

/// The cell's own problem is right: what fails is one that the suite has drawn and shrunk.
pub(crate) fn counterexamples_are_replayed() -> Result<(), Failed> {
    let failures = failures(&["--profile", "random"])?;
    let [record] = &failures.records[..] else { panic!("{}", failures.printed) };
    let path = failures.bundle(record);
    let manifest = bundle::read(&path)?.manifest;
    assert_ne!(manifest.replay.parameters, manifest.cell.parameters);
    let elsewhere = tempfile::tempdir()?;
    for (defect, code) in [(None, SAME_BITS), (Some("clean"), PASSES_NOW), (Some("nan"), OTHER_BITS)] {
        let output = harness(elsewhere.path(), defect, &["repro"], &path)?;
        assert_eq!(output.status.code(), Some(code), "{defect:?}: {}", printed(&output));
    }
    Ok(())
}

pub(crate) fn postmortems_are_drafted() -> Result<(), Failed> {
    let failures = failures(&["accuracy::resample_flipped_bit"])?;
    let [record] = &failures.records[..] else { panic!("{}", failures.printed) };
    assert!(matches!(record.verdict, Verdict::Fail { .. }));
    let elsewhere = tempfile::tempdir()?;
    let output = harness(elsewhere.path(), None, &["postmortem"], &failures.bundle(record))?;
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    let name = printed(&output).trim().to_owned();
    assert!(
        name.starts_with("docs/postmortems/20")
            && name.ends_with("-accuracy.resample_flipped_bit.cpu.f32.b2_s9_d5_t7_f32.uniform.md"),
        "{name}"
    );
    let text = fs::read_to_string(elsewhere.path().join(&name))?;
    for fact in ["1 of 70 elements differ", "[1, 6, 4] (offset 69)", " repro ", "## Root cause", "kernel image"] {
        assert!(text.contains(fact), "{fact} is missing: {text}");
    }
    // Bits that differ in one place.
    let bits: Vec<u32> = text
        .split("(bits `")
        .skip(1)
        .map(|rest| u32::from_str_radix(rest[..rest.find('`').unwrap()].trim_start_matches("0x"), 16).unwrap())
        .collect();
    assert_eq!((bits.len(), (bits[0] ^ bits[1]).count_ones()), (2, 1), "{text}");
    let again = harness(elsewhere.path(), None, &["postmortem"], &failures.bundle(record))?;
    assert_eq!(again.status.code(), Some(2), "{}", printed(&again));
    assert_eq!(fs::read_to_string(elsewhere.path().join(&name))?, text);
    Ok(())
}
