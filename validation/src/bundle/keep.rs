//! From a failure to a bundle in the run's folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use tempfile::TempDir;

use super::{
    container,
    error::{BundleError, Flaw},
    exhibit::{self, Shown},
    kernels,
    manifest::{KEY, Manifest, is_regenerable},
    subject::SubjectIdentity,
    tensors::Held,
};
use crate::{
    cell::Cell,
    evidence::{Environment, Fact, storage},
    observation::{Observation, Outcome},
    verdict::Verdict,
};

/// The folder of bundles in that of a run.
const FOLDER: &str = "bundles";

/// The most bytes of bundles that one process adds to a run. Bundles after that hold no tensors, and the seed gives the
/// inputs back.
const RUN_LIMIT_BYTES: u64 = 1 << 30;

/// The most bytes of a cell's name that go into the name of its file.
const NAME_LIMIT_BYTES: usize = 160;

/// Keeps the bundles of one run.
pub(crate) struct Keeper<'a> {
    run: &'a Path,
    environment: &'a Environment,
    scratch: TempDir,
    written: AtomicU64,
}

/// How one cell failed.
pub(crate) struct Failure<'a> {
    pub(crate) cell: &'a Cell,
    pub(crate) attempt: u32,
    pub(crate) outcome: &'a Outcome,
    pub(crate) verdict: &'a Verdict,
}

impl<'a> Keeper<'a> {
    /// Of the run in this folder. Exhibits go to a folder within it that goes with this value.
    pub(crate) fn new(run: &'a Path, environment: &'a Environment) -> io::Result<Self> {
        let scratch = tempfile::Builder::new().prefix(".unfinished-exhibits-").tempdir_in(std::path::absolute(run)?)?;
        Ok(Self { run, environment, scratch, written: AtomicU64::new(0) })
    }

    /// Where the worker of job number `index` leaves its exhibit.
    pub(crate) fn exhibit(&self, index: usize) -> PathBuf {
        self.scratch.path().join(format!("{index}.safetensors"))
    }

    /// Writes the bundle of a failure: its path within the run's folder, or why there is none. `None` for what is no
    /// failure of the code under test. The exhibit is used up.
    pub(crate) fn keep(&self, failure: &Failure<'_>, exhibit: &Path) -> Option<Fact<String>> {
        let kept = is_kept(failure).map(|kept| match kept {
            Ok(()) => self.write(failure, exhibit),
            Err(reason) => Fact::Missing { missing: reason.to_owned() },
        });
        // It may never have been there.
        let _ = fs::remove_file(exhibit);
        kept
    }

    fn write(&self, failure: &Failure<'_>, exhibit: &Path) -> Fact<String> {
        let Failure { cell, attempt, outcome, verdict } = *failure;
        let has_room = self.written.load(Ordering::Relaxed) < RUN_LIMIT_BYTES;
        let shown = exhibit::read(exhibit, cell);
        let nothing = || Shown { replay: cell.clone(), tensors: Vec::new() };
        let Shown { replay, tensors } = match shown {
            Ok(shown) if has_room || !is_regenerable(&shown.replay) => shown,
            Ok(shown) => Shown { tensors: without_payloads(shown.tensors), ..shown },
            // The seed is enough.
            Err(_) if is_regenerable(cell) => nothing(),
            Err(error) => {
                return Fact::Missing {
                    missing: format!("the recorded inputs could not be had again: {}", error.flaw),
                };
            }
        };
        let manifest = Manifest {
            cell: cell.clone(),
            replay,
            subject: self.environment.subject.as_ref().map(SubjectIdentity::from),
            kernels: kernels::file_of(cell.device, &self.environment.kernel_image),
            attempt,
            verdict: verdict.clone(),
            outcome: outcome.clone(),
            environment: self.environment.clone(),
            minimized_from: None,
            tensors: tensors.iter().map(|held| held.entry.clone()).collect(),
        };
        let folder = self.run.join(FOLDER);
        match encode(&manifest, &tensors).map_err(|flaw| flaw.of(&folder)).and_then(|bytes| {
            self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            store(&folder, &cell.name, &bytes)
        }) {
            Ok(path) => Fact::Known(path.strip_prefix(self.run).unwrap_or(&path).to_string_lossy().into_owned()),
            Err(error) => Fact::Missing { missing: error.flaw.to_string() },
        }
    }
}

/// Whether a failure leaves a bundle, and why not if people may expect one.
fn is_kept(failure: &Failure<'_>) -> Option<Result<(), &'static str>> {
    match failure.verdict {
        Verdict::Pass | Verdict::Skip { .. } | Verdict::Error { .. } => None,
        Verdict::Timeout { .. } | Verdict::Crash { .. } => Some(Ok(())),
        Verdict::Fail { .. } => Some(match failure.outcome {
            Outcome::Observed(observation) => match &**observation {
                Observation::Performance(facts) if facts.wrong_output.is_none() => {
                    Err("a time that is too long has no bits to replay")
                }
                Observation::BackwardCompat(facts) if facts.incompatible.is_some() => {
                    Err("a golden that its operator does not take has no bits to replay")
                }
                Observation::InputRejected { .. } => Err("the recording was rejected before it became inputs"),
                Observation::Determinism(_)
                | Observation::Accuracy(_)
                | Observation::LaunchCount(_)
                | Observation::BackwardCompat(_)
                | Observation::MultiGpu(_)
                | Observation::Performance(_)
                | Observation::OperatorFailed(_)
                | Observation::Panicked { .. } => Ok(()),
            },
            Outcome::Died(_) | Outcome::DeadlineExceeded { .. } | Outcome::HarnessFailed { .. } => Ok(()),
        }),
    }
}

/// The hashes of tensors that there is no room for.
fn without_payloads(mut tensors: Vec<Held<'static>>) -> Vec<Held<'static>> {
    for held in &mut tensors {
        held.entry.stored = false;
        held.payload = None;
    }
    tensors
}

/// The bytes of a bundle: the same for the same content. `tensors` are those that the manifest lists, in its order.
pub fn encode(manifest: &Manifest, tensors: &[Held<'_>]) -> Result<Vec<u8>, Flaw> {
    container::encode(KEY, &manifest.to_text()?, tensors)
}

/// Writes a bundle to `folder`, under a name made of the cell's and of its content. One of the same content may be there.
pub(super) fn store(folder: &Path, cell: &str, bytes: &[u8]) -> Result<PathBuf, BundleError> {
    let failed = |error: io::Error| Flaw::Unreadable(error).of(folder);
    // Nothing leaves the run's folder, whatever the code under test has put in the way.
    if fs::symlink_metadata(folder).is_ok_and(|found| !found.is_dir()) {
        return Err(Flaw::NotAFile.of(folder));
    }
    storage::create_folder(folder).map_err(|error| failed(error.source))?;
    let hash = blake3::hash(bytes).to_hex();
    let path = folder.join(format!("{}-{}.safetensors", file_stem(cell), &hash[..16]));
    storage::write_atomically(&path, bytes).map_err(|error| failed(error.source))?;
    Ok(path)
}

/// A cell's name as a part of a file's: no separator, no leading dot, not too long.
pub(super) fn file_stem(cell: &str) -> String {
    let fit = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '+' => character,
        '.' => '_',
        _ => '.',
    };
    let stem: String = cell.replace("::", ":").chars().map(fit).take(NAME_LIMIT_BYTES).collect();
    stem.trim_start_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use robocache_core::{distribution::Distribution, dtype::DType, parameters::Parameters, random::Seed};

    use super::*;
    use crate::{
        cell::{Device, Input, Limits},
        dataset::Expectation,
        evidence::{Filters, Program, Selection},
        machine::Machine,
        suites::{AccuracySettings, SuiteSettings},
    };

    #[test]
    fn no_cell_can_name_a_file_elsewhere() {
        assert_eq!(file_stem("accuracy::fuse::cpu::f32::b1_t2::uniform"), "accuracy.fuse.cpu.f32.b1_t2.uniform");
        assert_eq!(file_stem("../../etc/passwd"), "__.__.etc.passwd");
        assert_eq!(file_stem("/::\u{0}"), "");
        assert_eq!(file_stem(&"x".repeat(1000)).len(), NAME_LIMIT_BYTES);
    }

    #[test]
    fn a_link_in_the_place_of_the_folder_is_not_followed() {
        let run = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let folder = run.path().join(FOLDER);
        std::os::unix::fs::symlink(elsewhere.path(), &folder).unwrap();
        assert!(matches!(store(&folder, "cell", b"bytes").unwrap_err().flaw, Flaw::NotAFile));
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }

    fn cell(input: Input) -> Cell {
        Cell {
            name: "accuracy::resample::cpu::f32::b1::x".into(),
            suite: SuiteSettings::Accuracy(AccuracySettings { random_problems: 0 }),
            operator: "resample".into(),
            device: Device::Cpu,
            dtype: DType::F32,
            parameters: Parameters::default(),
            input,
            seed: Seed::root(0),
            expect: Expectation::Accepted,
            limits: Limits { deadline_ms: 1, memory_bytes: None, fresh_process: false },
        }
    }

    #[test]
    fn whatever_the_worker_left_the_seed_gives_a_bundle() {
        let run = tempfile::tempdir().unwrap();
        let selection = Selection::new("quick", Filters::default(), b"");
        let machine = Machine::without_gpus("not looked for".into());
        let program = Program::with_hash("0".repeat(64));
        let environment = Environment::collect(program, selection, &machine, Err("no image".into()));
        let keeper = Keeper::new(run.path(), &environment).unwrap();
        let outcome = Outcome::DeadlineExceeded { deadline_ms: 1, output_tail: String::new() };
        let verdict = Verdict::Timeout { deadline_ms: 1 };
        let keep = |cell: &Cell| {
            let failure = Failure { cell, attempt: 1, outcome: &outcome, verdict: &verdict };
            keeper.keep(&failure, &keeper.exhibit(0))
        };
        let leave: [&dyn Fn(&Path); 5] = [
            &|_| {},
            &|path| fs::write(path, "no exhibit").unwrap(),
            &|path| std::os::unix::fs::symlink("/etc/passwd", path).unwrap(),
            &|path| fs::create_dir(path).unwrap(),
            &|path| {
                fs::remove_dir(path).unwrap();
                nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
            },
        ];
        for leave in leave {
            leave(&keeper.exhibit(0));
            let generated = cell(Input::Generated(Distribution::Uniform));
            let Some(Fact::Known(path)) = keep(&generated) else { panic!("no bundle") };
            let bundle = super::super::read(&run.path().join(path)).unwrap();
            assert_eq!((bundle.manifest.replay, bundle.manifest.tensors), (generated, Vec::new()));
            // A recording's inputs cannot be had again.
            assert!(matches!(keep(&cell(Input::Recorded("scan".into()))), Some(Fact::Missing { .. })));
        }
        assert_eq!(fs::read_dir(run.path().join(FOLDER)).unwrap().count(), 1, "the same content has the same name");
    }
}
