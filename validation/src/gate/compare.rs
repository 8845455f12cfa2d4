//! The comparison: rounds are measured and judged until every unit is decided.

use std::{collections::BTreeSet, time::Duration};

use rand_chacha::{ChaCha8Rng, rand_core::Rng};
use robocache_core::{random::Seed, timing::Series};

use super::{
    Design, GateError, Unit, Who,
    child::ChildError,
    protocol::Subject,
    statistics::Round,
    trio::{Failure, Hellos, Programs, ROLES, Role, Trio},
    unit,
};
use crate::{cell::Device, execution::Selected, supervisor::interrupt};

/// What is to be compared, and how.
pub struct Comparison<'a> {
    /// The two programs.
    pub programs: Programs,
    /// How it is measured and decided.
    pub design: Design,
    /// The cells; those that cannot run here are left out.
    pub cells: &'a [Selected<'a>],
    /// The series; all that a device has, if it is empty.
    pub series: &'a [Series],
}

/// How far a comparison is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Rounds that were measured on this device.
    pub rounds: usize,
    /// Rounds on this device at the next look.
    pub rounds_at_look: usize,
    /// Units that are known by now.
    pub units: usize,
    /// Those of them that are decided.
    pub decided: usize,
}

/// What came of a comparison.
pub(super) struct Compared {
    pub(super) hellos: Hellos,
    pub(super) units: Vec<Unit>,
}

/// Measures and judges. `progress` is called after each round.
pub(super) fn compare(comparison: &Comparison<'_>, progress: &mut dyn FnMut(Progress)) -> Result<Compared, GateError> {
    let mut state = State::new(comparison);
    let devices: BTreeSet<Device> = comparison.cells.iter().map(|selected| selected.planned.cell.device).collect();
    for look in 0..comparison.design.looks() {
        for &device in &devices {
            let due = comparison.design.rounds(device).get(look).copied().unwrap_or(0);
            for round in state.rounds_done(device)..due {
                if state.is_settled(device) {
                    break;
                }
                state.round(device, round)?;
                progress(state.progress(round + 1, due));
            }
        }
        unit::judge(&mut state.units, &comparison.design, look);
        if devices.iter().all(|&device| state.is_settled(device)) {
            break;
        }
    }
    let hellos = state.hellos.ok_or_else(|| GateError::NoSeries(words(comparison.series)))?;
    Ok(Compared { hellos, units: state.units })
}

struct State<'a> {
    comparison: &'a Comparison<'a>,
    hellos: Option<Hellos>,
    units: Vec<Unit>,
    /// Decides the order of turns.
    order: ChaCha8Rng,
}

impl<'a> State<'a> {
    fn new(comparison: &'a Comparison<'a>) -> Self {
        let order = Seed::root(comparison.design.seed).derive("gate::order").generator();
        Self { comparison, hellos: None, units: Vec::new(), order }
    }

    fn rounds_done(&self, device: Device) -> usize {
        self.of(device).map(|unit| unit.rounds.len()).max().unwrap_or(0)
    }

    /// Whether nothing is left to be measured; never before the first round, which finds out what there is.
    fn is_settled(&self, device: Device) -> bool {
        self.of(device).next().is_some() && self.of(device).all(|unit| unit.decision().is_some())
    }

    fn of(&self, device: Device) -> impl Iterator<Item = &Unit> {
        self.units.iter().filter(move |unit| unit.device == device)
    }

    fn progress(&self, rounds: usize, rounds_at_look: usize) -> Progress {
        let decided = self.units.iter().filter(|unit| unit.decision().is_some()).count();
        Progress { rounds, rounds_at_look, units: self.units.len(), decided }
    }

    /// One round: new processes, and a few blocks of every unit that is still undecided.
    fn round(&mut self, device: Device, number: usize) -> Result<(), GateError> {
        let mut trio = None;
        for selected in self.comparison.cells {
            let cell = &selected.planned.cell;
            if cell.device != device || selected.planned.skip.is_some() {
                continue;
            }
            let open = |unit: &Unit| unit.cell == cell.name && unit.decision().is_none();
            if number > 0 && !self.units.iter().any(open) {
                continue;
            }
            let processes = match &mut trio {
                Some(processes) => processes,
                none @ None => none.insert(self.start()?),
            };
            if let Err(failure) = self.cell(processes, selected, number)? {
                // Whatever state the three are in, the next cell gets others.
                trio = None;
                self.fail(&cell.name, &failure.to_string());
            }
        }
        if self.of(device).next().is_none() {
            return Err(GateError::NoSeries(words(self.comparison.series)));
        }
        Ok(())
    }

    /// Starts three processes of the programs that were compared so far.
    fn start(&mut self) -> Result<Trio, GateError> {
        let (trio, now) = Trio::start(&self.comparison.programs, self.shuffled())?;
        let before = self.hellos.get_or_insert_with(|| now.clone());
        for (who, before, now) in
            [(Who::Baseline, &before.baseline, &now.baseline), (Who::Candidate, &before.candidate, &now.candidate)]
        {
            if before.program.hash != now.program.hash {
                return Err(GateError::Replaced { who });
            }
        }
        Ok(trio)
    }

    /// The blocks of one cell's units. The inner error is that of a process that could not go on.
    fn cell(
        &mut self,
        trio: &mut Trio,
        selected: &Selected<'_>,
        number: usize,
    ) -> Result<Result<(), Failure>, GateError> {
        let cell = &selected.planned.cell;
        let limit = Duration::from_millis(cell.limits.deadline_ms);
        let ready = match trio.prepare(&Subject::new(cell, selected.recording.clone()), self.shuffled(), limit) {
            Ok(ready) => ready,
            Err(Failure { who, source: source @ ChildError::Refused(_) }) if number == 0 => {
                return Err(GateError::Unprepared { who, cell: cell.name.clone(), source });
            }
            Err(failure) => return stopped(failure),
        };
        if !ready.same_inputs {
            return Err(GateError::OtherInputs { cell: cell.name.clone() });
        }
        if ready.gpus.iter().any(|gpu| *gpu != ready.gpus[0]) {
            let gpus: Vec<&str> = ready.gpus.iter().flatten().map(String::as_str).collect();
            return Err(GateError::OtherGpus(gpus.join(", ")));
        }
        if number == 0 {
            let asked = self.comparison.series;
            let wanted = ready.series.into_iter().filter(|series| asked.is_empty() || asked.contains(series));
            self.units.extend(wanted.map(|series| Unit::new(cell.name.clone(), cell.device, series)));
        }
        for index in 0..self.units.len() {
            let unit = &self.units[index];
            if unit.cell != cell.name || unit.decision().is_some() {
                continue;
            }
            let turn = self.comparison.design.turn(unit.device, unit.series);
            let mut round = Round { blocks: Vec::new() };
            for _ in 0..self.comparison.design.blocks(cell.device) {
                match trio.block(self.shuffled(), turn, limit) {
                    Ok(block) => round.blocks.push(block),
                    Err(failure) => return stopped(failure),
                }
            }
            self.units[index].rounds.push(round);
        }
        // Once is enough: the same program computes the same in every round.
        if number == 0
            && let Err(failure) = trio.verify(limit)
        {
            return stopped(failure);
        }
        Ok(Ok(()))
    }

    /// The units of a cell cannot be measured.
    fn fail(&mut self, cell: &str, failure: &str) {
        for unit in self.units.iter_mut().filter(|unit| unit.cell == cell && unit.decision().is_none()) {
            unit.failure = Some(failure.to_owned());
        }
    }

    /// A random order of turns (Fisher and Yates).
    fn shuffled(&mut self) -> [Role; 3] {
        let mut order = ROLES;
        for last in (1..order.len()).rev() {
            order.swap(last, self.order.next_u32() as usize % (last + 1));
        }
        order
    }
}

/// An interrupt ends everything; another failure ends a cell.
fn stopped(failure: Failure) -> Result<Result<(), Failure>, GateError> {
    // The terminal's Ctrl-C reaches only this process, as the others have groups of their own.
    if interrupt::requested() { Err(GateError::Interrupted) } else { Ok(Err(failure)) }
}

fn words(series: &[Series]) -> String {
    if series.is_empty() {
        "all".to_owned()
    } else {
        series.iter().map(|series| series.name()).collect::<Vec<_>>().join(", ")
    }
}
