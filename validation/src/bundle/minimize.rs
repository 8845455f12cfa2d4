//! A smaller bundle that fails in the same way.
//!
//! Greedy: the boldest step that still fails becomes the new problem, until no step does, or time or attempts are used up.
//! The data is a part of the old one where the problem's inputs allow that, and drawn anew from the seed where they do not
//! or where the part does not fail.

use std::{
    borrow::Cow,
    path::Path,
    time::{Duration, Instant},
};

use robocache_core::{operator::Operator, parameters::Parameters, tensor::HostTensor};

use super::{
    error::{BundleError, Flaw},
    exhibit::Shown,
    keep::encode,
    manifest::{Manifest, is_regenerable},
    read::{Bundle, parse},
    reduction::reductions,
    replay::{Replayed, Replayer},
    slice::{End, slice},
    tensors::{Held, Role, TensorEntry},
    way::way,
};
use crate::{Stop, cell::Cell, evidence::storage};

/// The most bytes of a minimised bundle.
pub(super) const LIMIT_BYTES: u64 = 1 << 20;

/// How long it may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    pub(super) time: Duration,
    pub(super) attempts: u64,
}

/// What was tried so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tried {
    pub(super) attempts: u64,
    pub(super) smaller: u64,
}

/// The search: what it may use, and what it has found.
pub(super) struct Search<'a> {
    operator: &'a dyn Operator,
    replayer: &'a Replayer,
    budget: Budget,
    begin: Instant,
    tried: Tried,
    /// The way of failing that must stay.
    way: String,
    best: Bundle,
}

/// Where the inputs of an attempt come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Data {
    Part(End),
    Seed,
}

impl<'a> Search<'a> {
    /// Begins with a bundle of which `first` is a replay.
    pub(super) fn new(
        operator: &'a dyn Operator,
        replayer: &'a Replayer,
        budget: Budget,
        bundle: Bundle,
        first: Replayed,
    ) -> Result<Self, Flaw> {
        let way = way(&first.outcome, &first.verdict);
        let tried = Tried { attempts: 0, smaller: 0 };
        let best = updated(&bundle, &bundle.manifest.replay, &bundle.tensors, first)?;
        Ok(Self { operator, replayer, budget, begin: Instant::now(), tried, way, best })
    }

    /// Searches until nothing smaller fails in the same way. `None` if it was interrupted.
    pub(super) fn run(mut self, progress: &mut dyn FnMut(Tried, &str)) -> Result<Option<(Bundle, Tried)>, Stop> {
        'smaller: loop {
            for step in reductions(self.operator, &self.best.manifest.replay.parameters) {
                for data in [Data::Part(End::Front), Data::Part(End::Back), Data::Seed] {
                    if self.is_used_up() {
                        return Ok(Some((self.best, self.tried)));
                    }
                    let Some(attempt) = self.attempt(&step, data) else { continue };
                    self.tried.attempts += 1;
                    let Some(found) = self.replay(&attempt)? else { return Ok(None) };
                    let is_smaller = found.is_some();
                    if let Some(smaller) = found {
                        self.best = smaller;
                        self.tried.smaller += 1;
                    }
                    progress(self.tried, &self.name());
                    if is_smaller {
                        continue 'smaller;
                    }
                }
            }
            return Ok(Some((self.best, self.tried)));
        }
    }

    fn is_used_up(&self) -> bool {
        self.tried.attempts >= self.budget.attempts || self.begin.elapsed() >= self.budget.time
    }

    /// The name of the smallest problem so far.
    fn name(&self) -> String {
        let replay = &self.best.manifest.replay;
        self.operator.problem(replay.dtype, &replay.parameters).map_or_else(|_| String::new(), |problem| problem.name())
    }

    /// A problem to be tried with its inputs; `None` if there is no such problem or no such data.
    fn attempt(&self, parameters: &Parameters, data: Data) -> Option<(Cell, Vec<HostTensor>)> {
        let replay = Cell { parameters: parameters.clone(), ..self.best.manifest.replay.clone() };
        let problem = self.operator.problem(replay.dtype, parameters).ok()?;
        match data {
            Data::Seed => is_regenerable(&replay).then(|| (replay, Vec::new())),
            Data::Part(end) => {
                let (specs, whole) = (problem.inputs(), self.best.inputs()?);
                // Nothing becomes shorter: both ends are the same.
                let is_same = || specs.iter().zip(&whole).all(|(spec, tensor)| spec.shape == *tensor.shape());
                if specs.len() > whole.len() || (end == End::Back && is_same()) {
                    return None;
                }
                // A problem of fewer streams, say, takes the first of the tensors.
                let parts: Vec<_> =
                    specs.iter().zip(&whole).map(|(spec, tensor)| slice(tensor, spec, end)).collect::<Option<_>>()?;
                problem.check(&parts).ok()?;
                Some((replay, parts))
            }
        }
    }

    /// Tries it: a bundle if it fails in the same way. The outer `None` says that it was interrupted.
    fn replay(&self, (replay, inputs): &(Cell, Vec<HostTensor>)) -> Result<Option<Option<Bundle>>, Stop> {
        let tensors: Vec<Held<'static>> = inputs
            .iter()
            .map(|input| Held {
                entry: TensorEntry::of(Role::Input, input, true),
                payload: Some(Cow::Owned(input.clone())),
            })
            .collect();
        let path = self.replayer.scratch.path().join("attempt.safetensors");
        let refused = |flaw: Flaw| flaw.of(&path);
        let attempt = remade(&self.best.manifest, replay, tensors).map_err(refused)?;
        storage::write_atomically(&path, &attempt.1)?;
        let Some(replayed) = self.replayer.replay(&path, &attempt.0.hash, replay)? else { return Ok(None) };
        let is_same = replayed.verdict.is_failure() && way(&replayed.outcome, &replayed.verdict) == self.way;
        if !is_same {
            return Ok(Some(None));
        }
        updated(&attempt.0, replay, &attempt.0.tensors, replayed)
            .map(Some)
            .map(Some)
            .map_err(|flaw| refused(flaw).into())
    }
}

/// A bundle of another problem, and its bytes.
fn remade(manifest: &Manifest, replay: &Cell, tensors: Vec<Held<'static>>) -> Result<(Bundle, Vec<u8>), Flaw> {
    let entries = tensors.iter().map(|held| held.entry.clone()).collect();
    let manifest = Manifest { replay: replay.clone(), tensors: entries, ..manifest.clone() };
    let bytes = encode(&manifest, &tensors)?;
    let hash = blake3::hash(&bytes).to_hex().to_string();
    Ok((Bundle { manifest, tensors, hash, bytes: bytes.len() as u64 }, bytes))
}

/// The bundle of what a replay of `bundle` came to.
fn updated(bundle: &Bundle, replay: &Cell, given: &[Held<'static>], replayed: Replayed) -> Result<Bundle, Flaw> {
    let Replayed { outcome, verdict, entries: _, shown } = replayed;
    let inputs_given = || given.iter().filter(|held| held.entry.role == Role::Input).cloned().collect();
    let Shown { replay, tensors } = shown.unwrap_or_else(|| Shown { replay: replay.clone(), tensors: inputs_given() });
    let manifest = Manifest { verdict, outcome, ..bundle.manifest.clone() };
    remade(&manifest, &replay, tensors).map(|(bundle, _)| bundle)
}

/// The bytes of the smallest bundle, of which only hashes of outputs are left where there is no room for more.
pub(super) fn fitted(mut best: Bundle, path: &Path) -> Result<Vec<u8>, BundleError> {
    if best.bytes > LIMIT_BYTES {
        for held in best.tensors.iter_mut().filter(|held| held.entry.role != Role::Input) {
            held.entry.stored = false;
            held.payload = None;
        }
    }
    best.manifest.tensors = best.tensors.iter().map(|held| held.entry.clone()).collect();
    let bytes = encode(&best.manifest, &best.tensors).map_err(|flaw| flaw.of(path))?;
    match bytes.len() as u64 {
        size if size > LIMIT_BYTES => Err(Flaw::StillLarge { bytes: size, limit: LIMIT_BYTES }.of(path)),
        _ => {
            debug_assert!(parse(&bytes).is_ok(), "what is written can be read");
            Ok(bytes)
        }
    }
}
