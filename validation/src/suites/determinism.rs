//! The determinism suite: a ladder of ways to run that must all give the bits of the first run.

use robocache_core::{
    compare::{Comparison, compare_bits},
    session::{BrokenRepeat, RunOutcome, Variation},
    tensor::HostTensor,
};

use super::{
    DeterminismSettings, SuiteSettings,
    device::{POISON, during, hashes, open, other_gpus, run_on_other_gpu, run_once},
    prepare::Prepared,
    witness::Witness,
};
use crate::{
    cell::{Cell, Device},
    observation::{DeterminismFacts, OperatorFailure, OutputHashes, RungFacts},
};

/// Climbs the ladder until its end or its first broken rung.
pub(super) fn observe(
    cell: &Cell,
    settings: &DeterminismSettings,
    prepared: &Prepared,
    digest_in_fresh_process: &dyn Fn() -> Result<OutputHashes, String>,
) -> Result<(DeterminismFacts, Option<Witness>), OperatorFailure> {
    let Prepared { problem, inputs, .. } = prepared;
    let mut session = open(cell.device, &**problem, inputs).map_err(during("set_up"))?;
    let first = session.run(Variation::Plain { poison: POISON }).map_err(during("first_run"))?;
    let mut ladder = Ladder::new(first);

    if ladder.holds() {
        let broken = session.repeat(settings.repeats, &ladder.expected).map_err(during("repeat"))?;
        ladder.climb_repeat(settings.repeats, broken);
    }
    for variation in session.variations() {
        if ladder.holds() {
            let outcome = session.run(variation).map_err(during(variation))?;
            ladder.climb(&variation.to_string(), outcome);
        }
    }
    // Relations and the CPU's turn need no more of the device's memory than one session.
    drop(session);
    for relation in problem.relations() {
        if ladder.holds() {
            let expected = relation
                .follow_up(inputs, cell.seed.derive(relation.name()), &mut |problem, inputs| {
                    run_once(cell.device, problem, inputs).map(|outcome| outcome.outputs)
                })
                .map_err(during(relation.name()))?;
            ladder.climb_outputs(relation.name(), expected);
        }
    }
    if ladder.holds() && settings.fresh_process {
        let digests = digest_in_fresh_process().map_err(|message| OperatorFailure {
            during: "fresh_process".into(),
            message,
            sticky: false,
        })?;
        ladder.climb_digests("fresh_process", &digests);
    }
    match cell.device {
        Device::Cpu => {
            if let Some(builtin) = problem.builtin().filter(|_| ladder.holds()) {
                let outcome = run_once(Device::Cpu, builtin, inputs).map_err(during("builtin"))?;
                ladder.climb_standard("builtin", outcome);
            }
        }
        Device::Cuda => {
            if ladder.holds() {
                let outcome = run_once(Device::Cpu, &**problem, inputs).map_err(during("cpu_equals_gpu"))?;
                ladder.climb_standard("cpu_equals_gpu", outcome);
            }
            let others = other_gpus().map_err(|error| during("other_gpu")(error.into()))?;
            for number in 1..=others {
                if ladder.holds() {
                    let rung = format!("other_gpu_{number}");
                    let outcome = run_on_other_gpu(number, &**problem, inputs).map_err(during(&rung))?;
                    ladder.climb(&rung, outcome);
                }
            }
        }
    }
    Ok(ladder.conclude(settings))
}

/// The rungs climbed so far, and the outputs that each must reproduce.
struct Ladder {
    expected: Vec<HostTensor>,
    rungs: Vec<RungFacts>,
    /// The outputs of the broken rung, if there is one and they are known.
    actual: Vec<HostTensor>,
    /// What the first run must have given, where it is the first run that is wrong.
    standard: Option<Vec<HostTensor>>,
}

impl Ladder {
    /// The first run is the first rung: it must leave its inputs and everything beside its outputs alone.
    fn new(first: RunOutcome) -> Self {
        let RunOutcome { outputs, guard_violation, mutated_input } = first;
        let mut ladder = Self { expected: outputs, rungs: Vec::new(), actual: Vec::new(), standard: None };
        let rung = ladder.rung("first_run", 1);
        ladder.rungs.push(RungFacts { guard_violation, mutated_input, ..rung });
        ladder
    }

    fn holds(&self) -> bool {
        self.rungs.iter().all(RungFacts::holds)
    }

    /// A rung of one run.
    fn climb(&mut self, rung: &str, outcome: RunOutcome) {
        let facts = self.rung(rung, 1);
        let facts = self.with_outcome(facts, outcome);
        self.rungs.push(facts);
    }

    /// A rung of many runs, and the one that broke it.
    fn climb_repeat(&mut self, runs: u64, broken: Option<BrokenRepeat>) {
        let facts = self.rung("repeat", runs);
        let facts = match broken {
            None => facts,
            Some(BrokenRepeat { run, outcome }) => {
                self.with_outcome(RungFacts { broken_run: Some(run), ..facts }, outcome)
            }
        };
        self.rungs.push(facts);
    }

    fn with_outcome(&mut self, facts: RungFacts, outcome: RunOutcome) -> RungFacts {
        let RunOutcome { outputs, guard_violation, mutated_input } = outcome;
        self.with_outputs(RungFacts { guard_violation, mutated_input, ..facts }, outputs)
    }

    /// A rung whose outputs are computed rather than run.
    fn climb_outputs(&mut self, rung: &str, outputs: Vec<HostTensor>) {
        let facts = self.rung(rung, 1);
        let facts = self.with_outputs(facts, outputs);
        self.rungs.push(facts);
    }

    /// Keeps the outputs if they are of interest: passing rungs need no more memory than they did.
    fn with_outputs(&mut self, facts: RungFacts, outputs: Vec<HostTensor>) -> RungFacts {
        let facts = RungFacts { differences: self.differences(&outputs), ..facts };
        if !facts.holds() {
            self.actual = outputs;
        }
        facts
    }

    /// A rung that says what the first run must have given: the outputs of this program's CPU in the place of a
    /// library's or a GPU's.
    fn climb_standard(&mut self, rung: &str, outcome: RunOutcome) {
        let RunOutcome { outputs, guard_violation, mutated_input } = outcome;
        let differences = differences(&outputs, &self.expected);
        let facts = RungFacts { differences, guard_violation, mutated_input, ..self.rung(rung, 1) };
        self.standard = (!facts.holds()).then_some(outputs);
        self.rungs.push(facts);
    }

    /// A rung of which only hashes are known.
    fn climb_digests(&mut self, rung: &str, digests: &OutputHashes) {
        let mut facts = self.rung(rung, 1);
        facts.differing_hashes = hashes(&self.expected)
            .into_iter()
            .filter(|hash| !digests.contains(hash))
            .map(|(output, _)| output)
            .collect();
        self.rungs.push(facts);
    }

    fn differences(&self, outputs: &[HostTensor]) -> Vec<Comparison> {
        differences(&self.expected, outputs)
    }

    /// A rung at which nothing is wrong yet.
    fn rung(&self, name: &str, runs: u64) -> RungFacts {
        RungFacts {
            rung: name.to_owned(),
            runs,
            elements: runs * self.elements(),
            broken_run: None,
            differences: Vec::new(),
            differing_hashes: Vec::new(),
            guard_violation: None,
            mutated_input: None,
        }
    }

    fn elements(&self) -> u64 {
        self.expected.iter().map(|output| output.shape().elements() as u64).sum()
    }

    /// The facts, and the outputs that differ from the first ones if there are any.
    fn conclude(self, settings: &DeterminismSettings) -> (DeterminismFacts, Option<Witness>) {
        let (output_hashes, output_elements) = (hashes(&self.expected), self.elements());
        let Self { expected, rungs, actual, standard } = self;
        let witness = rungs.iter().find(|rung| !rung.holds()).map(|broken| {
            // Rungs below must be climbed again: the broken one may depend on what they left behind.
            let fresh_process = settings.fresh_process && broken.rung == "fresh_process";
            let suite = SuiteSettings::Determinism(DeterminismSettings { fresh_process, ..settings.clone() });
            let (expected, actual) = match (standard, rungs.len()) {
                (Some(standard), _) => (standard, expected),
                // The first run is wrong by what it did beside its outputs.
                (None, 1) => (Vec::new(), expected),
                (None, _) => (expected, actual),
            };
            Witness { other: None, suite: Some(suite), expected, actual }
        });
        (DeterminismFacts { output_hashes, output_elements, rungs }, witness)
    }
}

/// The outputs whose bits differ.
fn differences(expected: &[HostTensor], actual: &[HostTensor]) -> Vec<Comparison> {
    expected
        .iter()
        .zip(actual)
        .filter(|(expected, actual)| expected.bytes() != actual.bytes())
        .map(|(expected, actual)| compare_bits(expected, actual))
        .collect()
}
