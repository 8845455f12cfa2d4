//! Seeds: one number and a name give the same random bytes on every machine.

use std::fmt;

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use serde::{Deserialize, Serialize};

/// A 256-bit seed. Seeds are derived by name, so that no cell's data depends on the order or number of cells.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seed([u8; 32]);

impl Seed {
    /// The root of all seeds of a matrix.
    pub fn root(number: u64) -> Self {
        Self(blake3::derive_key("robocache 2026-11 seed root", &number.to_le_bytes()))
    }

    /// The seed of `name` under this one: BLAKE3 keyed with this seed.
    pub fn derive(&self, name: &str) -> Self {
        Self(*blake3::keyed_hash(&self.0, name.as_bytes()).as_bytes())
    }

    /// The generator of this seed.
    pub fn generator(&self) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(self.0)
    }

    /// Independent generator number `block` of this seed: blocks of a large tensor are filled by any number of
    /// threads with the same bytes.
    pub fn block_generator(&self, block: u64) -> ChaCha8Rng {
        let mut generator = self.generator();
        generator.set_stream(block);
        generator
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Seed({self})")
    }
}

impl Serialize for Seed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let hash = blake3::Hash::from_hex(&text).map_err(serde::de::Error::custom)?;
        Ok(Self(*hash.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::Rng;

    use super::*;

    #[test]
    fn seeds_and_bytes_are_fixed_forever() {
        // A change here changes the data of every cell: it would silently void all evidence collected so far.
        let seed = Seed::root(7).derive("accuracy::resample::cpu::f32::b1");
        assert_eq!(seed.to_string(), "aa1766912570eb848dbefd5c550fbf58ce7c13652a899dbcff7765d6b7af195a");
        assert_eq!(seed.generator().next_u64(), 8_336_877_375_831_169_399);
        assert_ne!(seed.block_generator(1).next_u64(), seed.generator().next_u64());
    }

    #[test]
    fn seeds_survive_serialisation() {
        let seed = Seed::root(1);
        let text = serde_json::to_string(&seed).unwrap();
        assert_eq!(serde_json::from_str::<Seed>(&text).unwrap(), seed);
    }
}
