//! The three processes of a round.

use std::time::Duration;

use robocache_core::timing::Series;

use super::{
    GateError, Who,
    child::{Child, ChildError, Launch},
    protocol::{Answer, Hello, MachineIdentity, Request, Subject, Turn},
    statistics::{self, Block},
};

/// How long a process may take to say what it is: it reads its whole executable for that.
const HELLO_LIMIT: Duration = Duration::from_secs(30);

/// The programs that are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    /// What the candidate is held against.
    pub baseline: Launch,
    /// What might have become slower.
    pub candidate: Launch,
}

/// Which of the three measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Baseline,
    Candidate,
    Control,
}

pub(super) const ROLES: [Role; 3] = [Role::Baseline, Role::Candidate, Role::Control];

impl Role {
    pub(super) const fn who(self) -> Who {
        match self {
            Self::Baseline | Self::Control => Who::Baseline,
            Self::Candidate => Who::Candidate,
        }
    }
}

/// What both programs said of themselves.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hellos {
    pub(super) baseline: Hello,
    pub(super) candidate: Hello,
}

/// A failure of one of the three.
#[derive(Debug, thiserror::Error)]
#[error("{who} {source}")]
pub(super) struct Failure {
    pub(super) who: Who,
    pub(super) source: ChildError,
}

/// Three processes, of which only one is busy at a time once they are prepared.
pub(super) struct Trio {
    children: [Child; 3],
}

/// What is known once all three are prepared.
pub(super) struct Ready {
    pub(super) series: Vec<Series>,
    /// Whether baseline and candidate made the same inputs.
    pub(super) same_inputs: bool,
    pub(super) gpus: [Option<String>; 3],
}

impl Trio {
    /// Starts all three, in this order, and checks that they may be compared.
    pub(super) fn start(programs: &Programs, order: [Role; 3]) -> Result<(Self, Hellos), GateError> {
        let start = |role: Role| {
            let launch = if role == Role::Candidate { &programs.candidate } else { &programs.baseline };
            launch.start().map_err(|source| GateError::Start { who: role.who(), source })
        };
        let mut started = [const { None }; 3];
        for role in order {
            started[role as usize] = Some(start(role)?);
        }
        let mut children = started.map(|child| child.expect("an order holds every role once"));
        let mut hellos = Vec::new();
        for (role, child) in ROLES.into_iter().zip(&mut children) {
            let hello = child.greet(HELLO_LIMIT);
            hellos.push(hello.map_err(|source| GateError::from_hello(role.who(), source))?);
        }
        let [baseline, candidate, control] = <[Hello; 3]>::try_from(hellos).expect("there are three");
        if control.program.hash != baseline.program.hash {
            return Err(GateError::Replaced { who: Who::Baseline });
        }
        let hellos = Hellos { baseline, candidate };
        hellos.check()?;
        Ok((Self { children }, hellos))
    }

    /// Has all three prepare at once, asked in this order.
    pub(super) fn prepare(&mut self, subject: &Subject, order: [Role; 3], limit: Duration) -> Result<Ready, Failure> {
        let request = Request::Prepare(Box::new(subject.clone()));
        for role in order {
            self.children[role as usize].ask(&request);
        }
        let mut prepared = Vec::new();
        for (role, child) in ROLES.into_iter().zip(&mut self.children) {
            let failed = |source| Failure { who: role.who(), source };
            match child.answer(limit).map_err(failed)? {
                Answer::Prepared { series, inputs, gpu } => prepared.push((series, inputs, gpu)),
                other @ (Answer::Measured { .. } | Answer::Verified | Answer::Refused { .. }) => {
                    return Err(failed(unexpected(&other)));
                }
            }
        }
        let [baseline, candidate, control] = <[_; 3]>::try_from(prepared).expect("there are three");
        Ok(Ready {
            series: baseline.0.into_iter().filter(|series| candidate.0.contains(series)).collect(),
            same_inputs: baseline.1 == candidate.1,
            gpus: [baseline.2, candidate.2, control.2],
        })
    }

    /// Measures one block: each of the three in its turn.
    pub(super) fn block(&mut self, order: [Role; 3], turn: Turn, limit: Duration) -> Result<Block, Failure> {
        let mut turns = [const { None }; 3];
        for role in order {
            turns[role as usize] = Some(self.turn(role, turn, limit)?);
        }
        let [baseline, candidate, control] = turns.map(|turn| turn.expect("an order holds every role once"));
        Ok(Block { baseline, candidate, control })
    }

    fn turn(&mut self, role: Role, turn: Turn, limit: Duration) -> Result<statistics::Turn, Failure> {
        let failed = |source| Failure { who: role.who(), source };
        let child = &mut self.children[role as usize];
        child.ask(&Request::Measure(turn));
        match child.answer(limit).map_err(failed)? {
            Answer::Measured { seconds } if is_plausible(&seconds) => Ok(statistics::Turn { seconds }),
            Answer::Measured { seconds } => {
                Err(failed(ChildError::Garbage(format!("{seconds:?} are no times in seconds"))))
            }
            other @ (Answer::Prepared { .. } | Answer::Verified | Answer::Refused { .. }) => {
                Err(failed(unexpected(&other)))
            }
        }
    }

    /// Has all three compare what they computed with what they must.
    pub(super) fn verify(&mut self, limit: Duration) -> Result<(), Failure> {
        for (role, child) in ROLES.into_iter().zip(&mut self.children) {
            let failed = |source| Failure { who: role.who(), source };
            child.ask(&Request::Verify);
            match child.answer(limit).map_err(failed)? {
                Answer::Verified => {}
                other @ (Answer::Prepared { .. } | Answer::Measured { .. } | Answer::Refused { .. }) => {
                    return Err(failed(unexpected(&other)));
                }
            }
        }
        Ok(())
    }
}

impl Hellos {
    /// Fails unless both were built alike and run here.
    fn check(&self) -> Result<(), GateError> {
        let here = MachineIdentity::look();
        for (who, hello) in [(Who::Baseline, &self.baseline), (Who::Candidate, &self.candidate)] {
            if hello.machine != here {
                return Err(GateError::OtherMachine { who, says: hello.machine.to_string(), here: here.to_string() });
            }
        }
        let (baseline, candidate) = (&self.baseline.program.build, &self.candidate.program.build);
        if baseline != candidate {
            return Err(GateError::OtherBuild { baseline: baseline.clone(), candidate: candidate.clone() });
        }
        Ok(())
    }
}

fn is_plausible(seconds: &[f64]) -> bool {
    !seconds.is_empty() && seconds.iter().all(|&seconds| seconds.is_finite() && seconds > 0.0)
}

fn unexpected(answer: &Answer) -> ChildError {
    ChildError::Garbage(format!("it answered another question: {answer:?}"))
}
