//! Who gets which part.

use std::{fmt, ops::Range, str::FromStr};

use serde::{Deserialize, Serialize};

/// A way to split things over ranks, each rank getting consecutive ones, in the order of ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Partition {
    /// As evenly as can be: shares differ by at most one.
    Even,
    /// The first rank gets half, rounded up, the others the rest evenly.
    FrontHeavy,
    /// The last rank gets nothing, the others all evenly; a single rank gets all.
    EmptyLast,
    /// The last rank gets all.
    AllLast,
}

impl Partition {
    /// Every partition, in the order in which help texts list them.
    pub const ALL: [Self; 4] = [Self::Even, Self::FrontHeavy, Self::EmptyLast, Self::AllLast];

    /// The name used in the matrix and in cell names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Even => "even",
            Self::FrontHeavy => "front_heavy",
            Self::EmptyLast => "empty_last",
            Self::AllLast => "all_last",
        }
    }

    /// What rank `rank` of `world` gets of `things`.
    ///
    /// # Panics
    /// If there is no such rank.
    pub fn range(self, things: usize, rank: usize, world: usize) -> Range<usize> {
        assert!(rank < world, "rank {rank} is none of {world} ranks");
        if world == 1 {
            return 0..things;
        }
        match self {
            Self::Even => evenly(things, rank, world),
            Self::FrontHeavy => {
                let half = things.div_ceil(2);
                match rank.checked_sub(1) {
                    None => 0..half,
                    Some(other) => {
                        let share = evenly(things - half, other, world - 1);
                        half + share.start..half + share.end
                    }
                }
            }
            Self::EmptyLast if rank == world - 1 => things..things,
            Self::EmptyLast => evenly(things, rank, world - 1),
            Self::AllLast if rank == world - 1 => 0..things,
            Self::AllLast => 0..0,
        }
    }

    /// What every rank gets.
    pub fn ranges(self, things: usize, world: usize) -> Vec<Range<usize>> {
        (0..world).map(|rank| self.range(things, rank, world)).collect()
    }
}

fn evenly(things: usize, rank: usize, ranks: usize) -> Range<usize> {
    let (share, rest) = (things / ranks, things % ranks);
    let start = |rank: usize| rank * share + rank.min(rest);
    start(rank)..start(rank + 1)
}

impl fmt::Display for Partition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// A word that names no partition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown partition `{0}`; expected one of even, front_heavy, empty_last, all_last")]
pub struct UnknownPartition(pub String);

impl FromStr for Partition {
    type Err = UnknownPartition;

    fn from_str(word: &str) -> Result<Self, UnknownPartition> {
        Self::ALL
            .into_iter()
            .find(|partition| partition.name() == word)
            .ok_or_else(|| UnknownPartition(word.to_owned()))
    }
}

impl Serialize for Partition {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Partition {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_given_once_in_the_order_of_ranks() {
        for partition in Partition::ALL {
            assert_eq!(serde_json::to_string(&partition).unwrap(), format!("\"{partition}\""));
            assert_eq!(partition.name().parse(), Ok(partition));
            for world in 1..6 {
                for things in [0, 1, 2, 5, 6, 1000] {
                    let given: Vec<usize> = partition.ranges(things, world).into_iter().flatten().collect();
                    assert_eq!(given, (0..things).collect::<Vec<_>>(), "{partition} of {things} over {world}");
                }
            }
        }
        assert_eq!("odd".parse::<Partition>(), Err(UnknownPartition("odd".into())));
    }

    #[test]
    fn shares_are_as_their_names_say() {
        let sizes = |partition: Partition| partition.ranges(11, 4).into_iter().map(|range| range.len());
        assert!(sizes(Partition::Even).eq([3, 3, 3, 2]));
        assert!(sizes(Partition::FrontHeavy).eq([6, 2, 2, 1]));
        assert!(sizes(Partition::EmptyLast).eq([4, 4, 3, 0]));
        assert!(sizes(Partition::AllLast).eq([0, 0, 0, 11]));
    }
}
