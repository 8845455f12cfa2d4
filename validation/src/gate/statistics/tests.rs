//! Whole comparisons of simulated programs: how often there is a false alarm, and how often a slow-down is seen.

use rand_chacha::{ChaCha8Rng, rand_core::Rng};
use robocache_core::random::Seed;

use super::{Block, Decision, Doubt, Round, Settled, Turn, judge};
use crate::{cell::Device, gate::Design};

/// What a machine does to measurements. All are standard deviations or shares of the time.
#[derive(Clone, Copy, Default)]
struct Noise {
    /// Of a process, as long as it lives.
    process: f64,
    /// Of a batch.
    batch: f64,
    /// From the first round to the last: a machine that heats up.
    drift: f64,
    /// Probability that a neighbour takes a part of the machine from this turn on, and by how much that slows everything.
    burst: (f64, f64),
    /// Probability that a process is slow for as long as it lives, and by how much: two threads that share a core, say.
    slow: (f64, f64),
    /// By how much the control differs from the baseline, although they are one program.
    control: f64,
}

/// A shared machine, as it was measured: processes differ by a percent, a few by much more; batches by less.
const SHARED: Noise =
    Noise { process: 0.012, batch: 0.006, drift: 0.2, burst: (0.01, 0.3), slow: (0.05, 0.08), control: 0.0 };

struct Machine {
    noise: Noise,
    generator: ChaCha8Rng,
    /// Turns that the neighbour stays for.
    burst_turns: u32,
}

impl Machine {
    fn uniform(&mut self) -> f64 {
        (f64::from(self.generator.next_u32()) + 0.5) / 4_294_967_296.0
    }

    /// Box and Muller.
    fn normal(&mut self) -> f64 {
        let (radius, angle) = (self.uniform(), self.uniform());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    fn process(&mut self) -> f64 {
        let (probability, slower) = self.noise.slow;
        let unlucky = if self.uniform() < probability { slower } else { 0.0 };
        self.noise.process * self.normal() + unlucky
    }

    fn turn(&mut self, log_seconds: f64) -> Turn {
        if self.burst_turns == 0 && self.uniform() < self.noise.burst.0 {
            self.burst_turns = 1 + self.generator.next_u32() % 20;
        }
        self.burst_turns = self.burst_turns.saturating_sub(1);
        let burst = if self.burst_turns > 0 { self.noise.burst.1 } else { 0.0 };
        // Noise of a batch only adds.
        let seconds = (0..6).map(|_| (log_seconds + burst + self.noise.batch * self.normal().abs()).exp() * 1e-5);
        Turn { seconds: seconds.collect() }
    }

    fn round(&mut self, slow_down: f64, time: f64, blocks: usize) -> Round {
        let drift = self.noise.drift * time;
        let (baseline, candidate) = (self.process(), self.process() + slow_down.ln_1p());
        let control = self.process() + self.noise.control;
        let block = |_| {
            // The order is random, and the noise of a turn knows nothing of it.
            let mut turns = [baseline, candidate, control].map(|process| self.turn(process + drift)).into_iter();
            let mut next = || turns.next().expect("there are three");
            Block { baseline: next(), candidate: next(), control: next() }
        };
        Round { blocks: (0..blocks).map(block).collect() }
    }
}

/// One comparison of `slow_downs.len()` units, measured until all are decided: the decisions and the rounds it took.
fn compare(noise: Noise, slow_downs: &[f64], number: u64) -> (Vec<Decision>, usize) {
    let design = Design { seed: number, ..Design::default() };
    let mut machine = Machine { noise, generator: Seed::root(number).derive("simulation").generator(), burst_turns: 0 };
    let mut units: Vec<(String, Vec<Round>, Settled)> =
        (0..slow_downs.len()).map(|index| (format!("unit {index}"), Vec::new(), Settled::No)).collect();
    let most = *design.cpu_rounds.last().unwrap();
    for (look, &due) in design.cpu_rounds.iter().enumerate() {
        for ((_, rounds, settled), slow_down) in units.iter_mut().zip(slow_downs) {
            while *settled == Settled::No && rounds.len() < due {
                let time = rounds.len() as f64 / most as f64;
                rounds.push(machine.round(*slow_down, time, design.blocks(Device::Cpu)));
            }
        }
        let questions: Vec<_> =
            units.iter().map(|(name, rounds, settled)| (name.as_str(), rounds.as_slice(), *settled)).collect();
        let judgements = judge(&questions, &design, look + 1 == design.looks());
        for ((_, _, settled), judgement) in units.iter_mut().zip(judgements) {
            *settled = judgement.decision.map_or(Settled::No, Settled::Yes);
        }
    }
    let decision = |settled| match settled {
        Settled::Yes(decision) => decision,
        Settled::No => panic!("the last look decides"),
    };
    let rounds = units.iter().map(|(_, rounds, _)| rounds.len()).max().unwrap();
    (units.iter().map(|(_, _, settled)| decision(*settled)).collect(), rounds)
}

/// How many of `runs` comparisons of one unit end with `decision`.
fn count(noise: Noise, slow_down: f64, decision: Decision, runs: u64) -> u64 {
    (0..runs).filter(|&number| compare(noise, &[slow_down], number).0[0] == decision).count() as u64
}

#[test]
fn equal_programs_raise_no_alarm_on_a_drifting_machine_with_neighbours() {
    assert_eq!(count(SHARED, 0.0, Decision::Regression, 100), 0);
    assert!(count(SHARED, 0.0, Decision::NoRegression, 100) >= 97);
}

#[test]
fn a_slow_down_of_three_percent_is_caught_in_98_of_100() {
    assert!(count(SHARED, 0.03, Decision::Regression, 100) >= 98);
}

#[test]
fn no_alarm_is_false_at_the_margin_itself() {
    // The worst case that is no regression yet. Half a percent of 200 runs is one.
    assert!(count(SHARED, 0.01, Decision::Regression, 200) <= 3);
    // And the worst case that must not be called free of a regression.
    assert!(count(SHARED, 0.03, Decision::NoRegression, 200) <= 3);
}

#[test]
fn equal_programs_raise_no_alarm_where_processes_are_either_fast_or_slow() {
    for probability in [0.3, 0.5, 0.7, 0.85] {
        let noise = Noise { slow: (probability, 0.7), ..SHARED };
        let alarms = count(noise, 0.0, Decision::Regression, 100) + count(noise, 0.0, Decision::Improvement, 100);
        assert!(alarms <= 2, "{alarms} false alarms of 200 where {probability} of the processes are slow");
    }
}

#[test]
fn many_units_raise_no_more_alarms_than_one() {
    let alarms: usize = (0..10)
        .map(|number| {
            let (decisions, _) = compare(SHARED, &[0.0; 20], number);
            decisions.iter().filter(|&&decision| decision == Decision::Regression).count()
        })
        .sum();
    assert_eq!(alarms, 0);
    let (decisions, _) = compare(SHARED, &[0.0, 0.06, 0.0, -0.2], 1);
    let expected = [Decision::NoRegression, Decision::Regression, Decision::NoRegression, Decision::Improvement];
    assert_eq!(decisions, expected);
}

#[test]
fn what_cannot_be_told_is_ambiguous_and_takes_all_rounds() {
    let noise = Noise { process: 0.2, batch: 0.2, ..SHARED };
    for slow_down in [0.0, 0.03] {
        let (decisions, rounds) = compare(noise, &[slow_down], 5);
        assert_eq!((decisions[0], rounds), (Decision::Ambiguous(Doubt::TooNoisy), 64));
    }
}

#[test]
fn a_machine_that_tells_a_program_from_itself_is_not_trusted() {
    for control in [0.15, -0.15] {
        let noise = Noise { control, ..SHARED };
        assert_eq!(count(noise, 0.05, Decision::Ambiguous(Doubt::ControlAlarm), 20), 20, "{control}");
    }
}

#[test]
fn a_quiet_machine_decides_at_the_first_look() {
    let quiet = Noise { process: 0.001, batch: 0.001, ..Noise::default() };
    let (decisions, rounds) = compare(quiet, &[0.0], 1);
    assert_eq!((decisions[0], rounds), (Decision::NoRegression, 16));
}
