//! What the ranks of one world know and nobody else: each side proves that it knows it, and neither says it.

use std::{fmt, fs::File, io, io::Read};

use serde::{Deserialize, Serialize};

/// The variable in which ranks find it.
pub const SECRET_VARIABLE: &str = "ROBOCACHE_RENDEZVOUS_SECRET";

/// Fewer characters could be guessed.
const SHORTEST: usize = 16;

/// The shared secret. It is printed by nothing.
#[derive(Clone)]
pub struct Secret {
    text: String,
    key: [u8; blake3::KEY_LEN],
}

/// A secret that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// It is not there.
    #[error(
        "{SECRET_VARIABLE} is not set: give all ranks and their leader the same random text, such as that of \
         `openssl rand -hex 32`"
    )]
    Missing,
    /// It can be guessed.
    #[error("{SECRET_VARIABLE} has {characters} characters, but must have at least {SHORTEST}")]
    TooShort {
        /// How many it has.
        characters: usize,
    },
}

/// A number used once, so that no proof is worth anything later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Nonce([u8; 32]);

/// What only somebody who knows the secret can have computed: a keyed BLAKE3 hash over both nonces, of which one's own
/// cannot have been seen before.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Proof([u8; blake3::OUT_LEN]);

/// Who proves: the proof of one side is none of the other's, so that it cannot be sent back.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Leader,
    Rank,
}

impl Nonce {
    pub(super) fn new() -> io::Result<Self> {
        random().map(Self)
    }
}

impl Secret {
    /// A secret from what the user gave to all ranks.
    pub fn new(text: &str) -> Result<Self, SecretError> {
        let characters = text.chars().count();
        if characters < SHORTEST {
            return Err(SecretError::TooShort { characters });
        }
        Ok(Self::from_text(text.to_owned()))
    }

    /// That of the environment.
    pub fn of_environment() -> Result<Self, SecretError> {
        let text = std::env::var_os(SECRET_VARIABLE).ok_or(SecretError::Missing)?;
        Self::new(&text.to_string_lossy())
    }

    /// A new one.
    pub(super) fn random() -> io::Result<Self> {
        Ok(Self::from_text(random()?.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    fn from_text(text: String) -> Self {
        let key = blake3::derive_key("RoboCache validation 2026 rendezvous of ranks, version 1", text.as_bytes());
        Self { text, key }
    }

    /// For the environment of a rank.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Proves to the other side that this one knows the secret, and that it is `side` who said `what`.
    pub(super) fn prove(&self, side: Side, leader: Nonce, rank: Nonce, what: &[u8]) -> Proof {
        Proof(*self.hash(side, leader, rank, what).as_bytes())
    }

    /// Whether the other side knows the secret. Takes the same time whatever the answer.
    pub(super) fn accepts(&self, proof: Proof, side: Side, leader: Nonce, rank: Nonce, what: &[u8]) -> bool {
        self.hash(side, leader, rank, what) == blake3::Hash::from(proof.0)
    }

    fn hash(&self, side: Side, leader: Nonce, rank: Nonce, what: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(match side {
            Side::Leader => b"leader",
            Side::Rank => b"rank..",
        });
        // Of fixed lengths, so that nothing can be moved from one to the other.
        hasher.update(&leader.0).update(&rank.0).update(what);
        hasher.finalize()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

/// Random bytes of the system.
pub(super) fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_of_one_secret_one_side_one_meeting_and_one_message() {
        let (ours, theirs) = (Secret::random().unwrap(), Secret::random().unwrap());
        let (leader, rank) = (Nonce::new().unwrap(), Nonce::new().unwrap());
        let proof = ours.prove(Side::Rank, leader, rank, b"rank 1");
        assert!(ours.accepts(proof, Side::Rank, leader, rank, b"rank 1"));
        assert!(!theirs.accepts(proof, Side::Rank, leader, rank, b"rank 1"));
        assert!(!ours.accepts(proof, Side::Leader, leader, rank, b"rank 1"));
        assert!(!ours.accepts(proof, Side::Rank, Nonce::new().unwrap(), rank, b"rank 1"));
        assert!(!ours.accepts(proof, Side::Rank, leader, rank, b"rank 2"));
    }

    #[test]
    fn a_secret_is_long_enough_and_never_shown() {
        assert_eq!(Secret::new("swordfish").unwrap_err(), SecretError::TooShort { characters: 9 });
        let secret = Secret::new("0123456789abcdef").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(secret.text(), "0123456789abcdef");
    }
}
