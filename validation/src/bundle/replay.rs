//! A bundle's cell, executed again as a run would.

use std::{ffi::OsString, path::Path};

use robocache_core::{cuda::KernelFile, registry::Registry, subject::Description};
use tempfile::TempDir;

use super::{
    error::{BundleError, Flaw},
    exhibit::{self, Shown},
    kernels,
    likeness::{Likeness, compare},
    manifest::Manifest,
    tensors::TensorEntry,
};
use crate::{
    Stop,
    cell::{Cell, Device},
    evidence::host::Host,
    execution::start_replayer,
    kernels::UnusableKernels,
    machine::Machine,
    observation::Outcome,
    plan::ranks_lacking,
    protocol::{Attached, GivenInputs},
    subject,
    suites::SuiteSettings,
    supervisor::{Event, Execution, Job, Supervisor},
    verdict::{Verdict, judge},
};

/// What came of a replay.
#[derive(Clone, Debug)]
pub(super) struct Replayed {
    /// The facts.
    pub(super) outcome: Outcome,
    /// The judgement of them.
    pub(super) verdict: Verdict,
    /// What is known of the tensors that the suite saw.
    pub(super) entries: Vec<TensorEntry>,
    /// The same with what was to be replayed, if it failed.
    pub(super) shown: Option<Shown>,
}

/// A supervisor with one worker, and a folder for what passes between them.
pub(crate) struct Replayer {
    supervisor: Supervisor,
    pub(super) scratch: TempDir,
}

impl Replayer {
    /// For cells of this device, on this machine, with workers that are started with these arguments.
    pub(super) fn new(device: Device, machine: &Machine, worker_arguments: Vec<OsString>) -> Result<Self, Stop> {
        Ok(Self { supervisor: start_replayer(device, machine, worker_arguments)?, scratch: tempfile::tempdir()? })
    }

    /// Executes what the bundle at `path` says, on its inputs; `None` if it was interrupted.
    pub(super) fn replay(&self, path: &Path, hash: &str, replay: &Cell) -> Result<Option<Replayed>, Stop> {
        let exhibit = self.scratch.path().join("exhibit.safetensors");
        let inputs = GivenInputs { path: std::path::absolute(path)?, hash: hash.to_owned() };
        let attached = Attached { recording: None, golden: None, inputs: Some(inputs), exhibit: Some(exhibit.clone()) };
        let job = Job { index: 0, cell: replay.clone(), attached };
        let outcome = std::sync::Mutex::new(None);
        let execution = self.supervisor.execute(&[job], &|event| match event {
            Event::Started { .. } => {}
            Event::Ended { outcome: ended, .. } => *outcome.lock().expect("nobody panics with it") = Some(ended),
        });
        let outcome = outcome.into_inner().expect("nobody panics with it");
        let (Execution::Complete, Some(outcome)) = (execution, outcome) else { return Ok(None) };
        let verdict = judge(replay, &outcome);
        let shown = exhibit::read(&exhibit, replay).ok();
        let _ = std::fs::remove_file(&exhibit);
        let entries = shown.iter().flat_map(|shown| shown.tensors.iter().map(|held| held.entry.clone())).collect();
        Ok(Some(Replayed { outcome, verdict, entries, shown }))
    }
}

impl Replayed {
    /// How it compares with the bundle of this manifest.
    pub(super) fn likeness(&self, manifest: &Manifest) -> Likeness {
        compare(manifest, &self.outcome, &self.verdict, &self.entries)
    }
}

/// What keeps this machine from replaying a cell; `None` if nothing does.
pub(super) fn shortfall(replay: &Cell, machine: &Machine) -> Option<String> {
    match (replay.device, machine.gpus.is_empty()) {
        (Device::Cpu, _) => None,
        (Device::Cuda, true) => Some(format!("cuda: {}", machine.cuda_absence())),
        (Device::Cuda, false) => match &replay.suite {
            SuiteSettings::LaunchCount(_) => machine.cupti.as_ref().err().map(|reason| format!("cupti: {reason}")),
            SuiteSettings::MultiGpu(settings) => {
                settings.joint.and_then(|joint| ranks_lacking(machine, replay.device, joint.world))
            }
            SuiteSettings::Determinism(_)
            | SuiteSettings::Accuracy(_)
            | SuiteSettings::BackwardCompat(_)
            | SuiteSettings::Performance(_) => None,
        },
    }
}

/// The machine, as far as cells of this device must know it: without a GPU cell, drivers are left alone. Where there is a
/// file of kernels, its GPUs are those that can run it.
pub(super) fn machine_for(device: Device, kernels: Option<&KernelFile>) -> Result<Machine, UnusableKernels> {
    match (device, kernels) {
        (Device::Cpu, _) => Ok(Machine::without_gpus("a CPU cell needs none, so none was looked for".to_owned())),
        (Device::Cuda, None) => Ok(Machine::probe()),
        (Device::Cuda, Some(kernels)) => Machine::probe_with(kernels),
    }
}

/// Fails unless this program can replay the bundle at `path`, with this library or this file of kernels if there is one.
pub(super) fn check(
    path: &Path,
    manifest: &Manifest,
    registry: &Registry,
    library: Option<&Description>,
    file: Option<&KernelFile>,
) -> Result<(), BundleError> {
    let replay = &manifest.replay;
    let lack = library.and_then(|library| {
        let lack = subject::lacks(library, &replay.operator, replay.device, replay.dtype, &replay.parameters)?;
        Some(Flaw::SubjectLacks { subject: library.into(), lack })
    });
    let flaw = match (&manifest.subject, library) {
        // This program's own operators never failed: that they pass would say nothing.
        (Some(failed), None) => Some(Flaw::NeedsSubject(failed.clone())),
        (Some(_) | None, Some(_)) | (None, None) => lack.or_else(|| kernels::flaw(manifest, library.is_some(), file)),
    };
    match flaw {
        Some(flaw) => Err(flaw.of(path)),
        None => manifest.check_problem(registry, &Host::look().memory_bytes).map_err(|flaw| flaw.of(path)),
    }
}
