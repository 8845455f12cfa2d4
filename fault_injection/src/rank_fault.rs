//! What may happen to one of several ranks, so that it can be shown that the others notice.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// When a rank is taken from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// It was started and has met the others, but did not come to the initialisation of the communicator.
    BeforeInitialisation,
    /// All have come to the initialisation, and the others are in it.
    InInitialisation,
    /// It is through with one step, and did not come to the next.
    Between,
    /// All have come to a step, and the others are in it.
    Inside,
}

impl Moment {
    /// Every moment.
    pub const ALL: [Self; 4] = [Self::BeforeInitialisation, Self::InInitialisation, Self::Between, Self::Inside];

    const fn name(self) -> &'static str {
        match self {
            Self::BeforeInitialisation => "before_initialisation",
            Self::InInitialisation => "in_initialisation",
            Self::Between => "between",
            Self::Inside => "inside",
        }
    }
}

/// One thing that happens to one rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RankFault {
    /// Its process is killed with SIGKILL.
    Killed(Moment),
    /// Its process is stopped with SIGSTOP: it exists, keeps its connections open, and does nothing.
    Stopped(Moment),
    /// It gives the communicator up, as after an error of its own GPU or of its own NCCL, and lives on.
    GaveUp(Moment),
    /// It calls another collective than the others.
    OtherCollective,
    /// It calls the same collective with another size.
    OtherSize,
    /// It never sends what the others need to join the communicator, such as NCCL's unique id.
    NoInvitation,
}

impl RankFault {
    /// Every fault, at every moment at which it can happen.
    pub fn all() -> impl Iterator<Item = Self> {
        let taken = [Self::Killed, Self::Stopped, Self::GaveUp];
        let astray = [Self::OtherCollective, Self::OtherSize, Self::NoInvitation];
        taken.into_iter().flat_map(|make| Moment::ALL.map(make)).chain(astray)
    }

    /// The moment at which the rank is taken from the others, if it is.
    pub const fn moment(self) -> Option<Moment> {
        match self {
            Self::Killed(moment) | Self::Stopped(moment) | Self::GaveUp(moment) => Some(moment),
            Self::OtherCollective | Self::OtherSize | Self::NoInvitation => None,
        }
    }

    /// Whether it happens at a step of the task, which must be named, and not while the ranks become a communicator.
    pub const fn has_a_step(self) -> bool {
        match self {
            Self::Killed(moment) | Self::Stopped(moment) | Self::GaveUp(moment) => {
                matches!(moment, Moment::Between | Moment::Inside)
            }
            Self::OtherCollective | Self::OtherSize => true,
            Self::NoInvitation => false,
        }
    }
}

impl fmt::Display for RankFault {
    /// As it stands in the matrix and in cell names, such as `killed_inside`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed(moment) => write!(formatter, "killed_{}", moment.name()),
            Self::Stopped(moment) => write!(formatter, "stopped_{}", moment.name()),
            Self::GaveUp(moment) => write!(formatter, "gave_up_{}", moment.name()),
            Self::OtherCollective => formatter.write_str("other_collective"),
            Self::OtherSize => formatter.write_str("other_size"),
            Self::NoInvitation => formatter.write_str("no_invitation"),
        }
    }
}

/// A word that names no fault of a rank.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown fault of a rank `{word}`; it is one of {}", names().join(", "))]
pub struct UnknownRankFault {
    /// The word.
    pub word: String,
}

fn names() -> Vec<String> {
    RankFault::all().map(|fault| fault.to_string()).collect()
}

impl FromStr for RankFault {
    type Err = UnknownRankFault;

    fn from_str(word: &str) -> Result<Self, UnknownRankFault> {
        Self::all().find(|known| known.to_string() == word).ok_or_else(|| UnknownRankFault { word: word.to_owned() })
    }
}

impl Serialize for RankFault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RankFault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A fault, the rank that it happens to, and the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledFault {
    /// The rank.
    pub victim: usize,
    /// What happens to it.
    pub fault: RankFault,
    /// The number of the step, where [`RankFault::has_a_step`]: the one that it does not come to ([`Moment::Between`]), the
    /// one that it does not do ([`Moment::Inside`]), or the one in the place of which it does another. The initialisation
    /// has the number 0.
    pub sequence: u64,
}

impl fmt::Display for ScheduledFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { victim, fault, sequence } = self;
        write!(formatter, "{fault} of rank {victim}")?;
        if fault.has_a_step() { write!(formatter, " at step {sequence}") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_parses_back_from_its_name() {
        let all: Vec<_> = RankFault::all().collect();
        assert_eq!(all.len(), 15);
        for (position, fault) in all.iter().enumerate() {
            assert_eq!(fault.to_string().parse(), Ok(*fault));
            assert_eq!(all.iter().position(|other| other == fault), Some(position));
        }
        assert_eq!(RankFault::Killed(Moment::InInitialisation).to_string(), "killed_in_initialisation");
        let error = "killed".parse::<RankFault>().unwrap_err().to_string();
        assert!(error.contains("`killed`; it is one of killed_before_initialisation, "), "{error}");
    }

    #[test]
    fn a_scheduled_fault_is_said_with_its_step_where_it_has_one() {
        let said = |fault| ScheduledFault { victim: 2, fault, sequence: 3 }.to_string();
        assert_eq!(said(RankFault::Stopped(Moment::Inside)), "stopped_inside of rank 2 at step 3");
        assert_eq!(said(RankFault::NoInvitation), "no_invitation of rank 2");
    }
}
