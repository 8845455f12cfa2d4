//! A part of the selected cells, for one of several processes or machines that share them.
//!
//! A cell's shard follows from its name and the number of shards, and from nothing else. So machines that see different
//! GPUs, or recordings, still agree on whose each cell is, and a new cell moves no other. Dealing cells out in turn would
//! balance better and give both up.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// One of `of` disjoint parts, which together are everything: `1/3` is the first of three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Shard {
    of: u32,
    number: u32,
}

/// Text that names no shard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// It is not two numbers.
    #[error("`{0}` is no shard: write its number, a slash and how many there are, such as 1/3")]
    Malformed(String),
    /// There are none.
    #[error("`{0}`: there must be at least one shard, so the number behind the slash is at least 1")]
    OfNone(String),
    /// It is not among the shards.
    #[error("`{number}/{of}`: shards are numbered from 1 to {of}")]
    OutOfRange {
        /// The number before the slash.
        number: u32,
        /// The number behind it.
        of: u32,
    },
}

impl Shard {
    /// Its number, from 1.
    pub fn number(self) -> u32 {
        self.number
    }

    /// How many shards there are.
    pub fn of(self) -> u32 {
        self.of
    }

    /// All shards of its number.
    pub fn all(self) -> impl Iterator<Item = Self> {
        (1..=self.of).map(move |number| Self { of: self.of, number })
    }

    /// Whether the cell of this name is in it. Of all shards of one number, exactly one says so.
    ///
    /// It is the one numbered from 0 as the first eight bytes of the name's BLAKE3, little-endian, modulo the number of shards.
    pub fn holds(self, cell: &str) -> bool {
        let hash = blake3::hash(cell.as_bytes());
        let (first, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
        u64::from_le_bytes(*first) % u64::from(self.of) == u64::from(self.number - 1)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let malformed = || ShardError::Malformed(text.to_owned());
        let (number, of) = text.split_once('/').ok_or_else(malformed)?;
        let (number, of): (u32, u32) = (number.parse().map_err(|_| malformed())?, of.parse().map_err(|_| malformed())?);
        match (number, of) {
            (_, 0) => Err(ShardError::OfNone(text.to_owned())),
            (number, of) if (1..=of).contains(&number) => Ok(Self { of, number }),
            (number, of) => Err(ShardError::OutOfRange { number, of }),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.number, self.of)
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

impl TryFrom<String> for Shard {
    type Error = ShardError;

    fn try_from(text: String) -> Result<Self, ShardError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(of: u32) -> Vec<Shard> {
        Shard { of, number: 1 }.all().collect()
    }

    #[test]
    fn text_becomes_a_shard_and_text_again() {
        for text in ["1/1", "1/3", "3/3", "4294967295/4294967295"] {
            assert_eq!(text.parse::<Shard>().unwrap().to_string(), text);
        }
        let shard: Shard = serde_json::from_str("\"2/3\"").unwrap();
        assert_eq!((shard.number(), shard.of()), (2, 3));
        assert_eq!(serde_json::to_string(&shard).unwrap(), "\"2/3\"");
        assert!(serde_json::from_str::<Shard>("\"4/3\"").is_err());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let error = |text: &str| text.parse::<Shard>().unwrap_err();
        for text in ["x", "", "1", "/", "1/", "1/x", "-1/3", "1/2/3", "1.5/2", " 1/2"] {
            assert_eq!(error(text), ShardError::Malformed(text.to_owned()));
        }
        assert_eq!(error("0/3").to_string(), "`0/3`: shards are numbered from 1 to 3");
        assert_eq!(error("4/3").to_string(), "`4/3`: shards are numbered from 1 to 3");
        assert_eq!(error("1/0"), ShardError::OfNone("1/0".to_owned()));
    }

    #[test]
    fn every_cell_is_in_exactly_one_shard_and_shards_are_of_like_size() {
        let cells: Vec<String> = (0..3000).map(|number| format!("accuracy::fuse::cpu::f32::s{number}")).collect();
        for of in [1, 2, 3, 7, 64] {
            let mut sizes = vec![0_u32; of as usize];
            for cell in &cells {
                let owners: Vec<Shard> = shards(of).into_iter().filter(|shard| shard.holds(cell)).collect();
                assert_eq!(owners.len(), 1, "{cell} of {of}");
                sizes[owners[0].number as usize - 1] += 1;
            }
            // Six standard deviations of a binomial distribution.
            let mean = 3000.0 / f64::from(of);
            let spread = 6.0 * mean.sqrt();
            assert!(sizes.iter().all(|&size| (f64::from(size) - mean).abs() <= spread), "{sizes:?}");
        }
    }

    /// Runs of different versions, and on different machines, share cells out alike.
    #[test]
    fn a_cells_shard_stays_what_it_is() {
        let owner = |cell, of| shards(of).into_iter().find(|shard| shard.holds(cell)).unwrap().to_string();
        assert_eq!(owner("determinism::voxelize::cpu::f32::n1000::uniform", 3), "1/3");
        assert_eq!(owner("accuracy::fuse::cuda::bf16::b4::uniform", 8), "5/8");
    }
}
