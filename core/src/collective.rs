//! What ranks do together: the collectives, how many elements each takes and gives, and what that costs on a bus.

mod pattern;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use self::pattern::{Mismatch, Origin, Pattern, Patterned};
use crate::dtype::DType;

/// How the contributions of all ranks become one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Their sum.
    Sum,
    /// Their product.
    Prod,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// Their sum over the number of ranks.
    Avg,
}

impl Reduction {
    /// Every reduction.
    pub const ALL: [Self; 5] = [Self::Sum, Self::Prod, Self::Min, Self::Max, Self::Avg];

    const fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Prod => "prod",
            Self::Min => "min",
            Self::Max => "max",
            Self::Avg => "avg",
        }
    }
}

/// One thing that all ranks of a communicator do together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Collective {
    /// Every rank gets the reduction of all contributions.
    AllReduce(Reduction),
    /// Every rank gets all contributions, in the order of ranks.
    AllGather,
    /// Every rank gets its own block of the reduction of all contributions.
    ReduceScatter(Reduction),
    /// Every rank gets what the root has.
    Broadcast,
    /// The root gets the reduction of all contributions.
    Reduce(Reduction),
    /// Every rank sends to the next one and receives from the one before it, in a ring.
    SendReceive,
    /// Every rank sends its block `q` to rank `q`.
    AllToAll,
}

impl Collective {
    /// Every collective with every reduction.
    pub fn all() -> impl Iterator<Item = Self> {
        let reducing = [Self::AllReduce, Self::ReduceScatter, Self::Reduce];
        let moving = [Self::AllGather, Self::Broadcast, Self::SendReceive, Self::AllToAll];
        reducing.into_iter().flat_map(|make| Reduction::ALL.map(make)).chain(moving)
    }

    /// How it reduces, if it does.
    pub const fn reduction(self) -> Option<Reduction> {
        match self {
            Self::AllReduce(reduction) | Self::ReduceScatter(reduction) | Self::Reduce(reduction) => Some(reduction),
            Self::AllGather | Self::Broadcast | Self::SendReceive | Self::AllToAll => None,
        }
    }

    /// Elements in the send buffer of each of `world` ranks, for a block of `block` elements.
    pub const fn sent_elements(self, block: usize, world: usize) -> usize {
        match self {
            Self::ReduceScatter(_) | Self::AllToAll => block * world,
            Self::AllReduce(_) | Self::AllGather | Self::Broadcast | Self::Reduce(_) | Self::SendReceive => block,
        }
    }

    /// Elements in the receive buffer of each of `world` ranks, for a block of `block` elements.
    pub const fn received_elements(self, block: usize, world: usize) -> usize {
        match self {
            Self::AllGather | Self::AllToAll => block * world,
            Self::AllReduce(_) | Self::ReduceScatter(_) | Self::Broadcast | Self::Reduce(_) | Self::SendReceive => {
                block
            }
        }
    }

    /// Whether rank `rank` receives anything where `root` is the root.
    pub const fn receives(self, rank: usize, root: usize) -> bool {
        match self {
            Self::Reduce(_) => rank == root,
            Self::AllReduce(_)
            | Self::AllGather
            | Self::ReduceScatter(_)
            | Self::Broadcast
            | Self::SendReceive
            | Self::AllToAll => true,
        }
    }

    /// Bytes that nccl-tests counts as moved: the size of the larger of the two buffers.
    pub const fn bytes(self, block: usize, world: usize, dtype: DType) -> usize {
        let (sent, received) = (self.sent_elements(block, world), self.received_elements(block, world));
        (if sent > received { sent } else { received }) * dtype.size_bytes()
    }

    /// What [`Collective::bytes`] over time is to be multiplied with to be the bandwidth of the bus between the ranks,
    /// whatever their number. The formulas are those of nccl-tests, `doc/PERFORMANCE.md`.
    pub fn bus_factor(self, world: usize) -> f64 {
        let others = (world - 1) as f64 / world as f64;
        match self {
            Self::AllReduce(_) => 2.0 * others,
            Self::AllGather | Self::ReduceScatter(_) | Self::AllToAll => others,
            Self::Broadcast | Self::Reduce(_) | Self::SendReceive => 1.0,
        }
    }
}

impl fmt::Display for Collective {
    /// As it stands in the matrix and in cell names, such as `all_reduce_sum`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::AllReduce(_) => "all_reduce",
            Self::AllGather => "all_gather",
            Self::ReduceScatter(_) => "reduce_scatter",
            Self::Broadcast => "broadcast",
            Self::Reduce(_) => "reduce",
            Self::SendReceive => "send_receive",
            Self::AllToAll => "all_to_all",
        };
        match self.reduction() {
            Some(reduction) => write!(formatter, "{word}_{}", reduction.name()),
            None => formatter.write_str(word),
        }
    }
}

/// A word that names no collective.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown collective `{0}`")]
pub struct UnknownCollective(pub String);

impl FromStr for Collective {
    type Err = UnknownCollective;

    fn from_str(word: &str) -> Result<Self, UnknownCollective> {
        Self::all().find(|known| known.to_string() == word).ok_or_else(|| UnknownCollective(word.to_owned()))
    }
}

impl Serialize for Collective {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Collective {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One call of a collective, the same on every rank but for the offsets.
///
/// The two buffers may overlap only as the collective works in place, which [`Transfer::in_place`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// What is done.
    pub collective: Collective,
    /// The type of the elements.
    pub dtype: DType,
    /// Elements in one block: what a rank contributes to a gather, or gets of a scatter.
    pub block: usize,
    /// The rank that sends a broadcast or receives a reduction; without meaning for other collectives.
    pub root: usize,
    /// Where the send buffer begins in the communicator's memory, in bytes; a multiple of the element's size.
    pub send_offset: usize,
    /// Where the receive buffer begins, likewise.
    pub receive_offset: usize,
}

impl Transfer {
    /// The same transfer with its buffers where rank `rank` of `world` works in place: the send buffer keeps its place,
    /// where it is the larger one, and else the receive buffer does. `None` if the collective cannot.
    pub fn in_place(self, rank: usize, world: usize) -> Option<Self> {
        let own_block = rank * self.block * self.dtype.size_bytes();
        debug_assert!(rank < world);
        match self.collective {
            Collective::AllReduce(_) | Collective::Broadcast | Collective::Reduce(_) => {
                Some(Self { receive_offset: self.send_offset, ..self })
            }
            Collective::AllGather => Some(Self { send_offset: self.receive_offset + own_block, ..self }),
            Collective::ReduceScatter(_) => Some(Self { receive_offset: self.send_offset + own_block, ..self }),
            Collective::SendReceive | Collective::AllToAll => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_back_and_no_two_are_the_same() {
        let all: Vec<_> = Collective::all().collect();
        assert_eq!(all.len(), 19);
        for (position, collective) in all.iter().enumerate() {
            let word = collective.to_string();
            assert_eq!(word.parse(), Ok(*collective));
            assert_eq!(all.iter().position(|other| other.to_string() == word), Some(position));
            assert_eq!(serde_json::to_string(collective).unwrap(), format!("\"{word}\""));
        }
        assert_eq!("all_reduce".parse::<Collective>(), Err(UnknownCollective("all_reduce".into())));
    }

    #[test]
    fn sizes_and_factors_are_those_of_nccl_tests() {
        let sum = Reduction::Sum;
        for (collective, bytes, factor) in [
            (Collective::AllReduce(sum), 40, 1.5),
            (Collective::AllGather, 160, 0.75),
            (Collective::ReduceScatter(sum), 160, 0.75),
            (Collective::Broadcast, 40, 1.0),
            (Collective::Reduce(sum), 40, 1.0),
            (Collective::SendReceive, 40, 1.0),
            (Collective::AllToAll, 160, 0.75),
        ] {
            assert_eq!(collective.bytes(10, 4, DType::F32), bytes, "{collective}");
            assert_eq!(collective.bus_factor(4), factor, "{collective}");
        }
    }

    #[test]
    fn in_place_buffers_lie_within_each_other() {
        let transfer = |collective| Transfer {
            collective,
            dtype: DType::Bf16,
            block: 5,
            root: 0,
            send_offset: 100,
            receive_offset: 1000,
        };
        let offsets = |collective| {
            transfer(collective).in_place(2, 4).map(|transfer| (transfer.send_offset, transfer.receive_offset))
        };
        assert_eq!(offsets(Collective::AllReduce(Reduction::Max)), Some((100, 100)));
        assert_eq!(offsets(Collective::AllGather), Some((1020, 1000)));
        assert_eq!(offsets(Collective::ReduceScatter(Reduction::Max)), Some((100, 120)));
        assert_eq!(offsets(Collective::SendReceive), None);
        assert_eq!(offsets(Collective::AllToAll), None);
    }
}
