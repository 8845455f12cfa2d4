//! What ranks must have in common to find each other.

use std::{fmt, str::FromStr};

use cudarc::nccl::sys::ncclUniqueId;
use serde::{Deserialize, Serialize};

use super::{NcclError, NcclLibrary, library::SUCCESS};

/// Bytes of an id: `NCCL_UNIQUE_ID_BYTES`.
const BYTES: usize = 128;

/// The id of a communicator: one rank makes it, and every rank needs it to join. It holds the address at which the maker
/// listens, and a secret.
///
/// It is written as 256 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NcclId([u8; BYTES]);

impl NcclId {
    /// A new one. From now on NCCL listens for the ranks, in threads of its own, in this process, which must live until
    /// all have joined.
    pub fn new() -> Result<Self, NcclError> {
        let library = NcclLibrary::load()?;
        let mut id = ncclUniqueId { internal: [0; BYTES] };
        // SAFETY: the pointer is valid for the call.
        let status = unsafe { (library.functions.get_unique_id)(&mut id) };
        if status != SUCCESS {
            return Err(NcclError::Call { doing: "making an NCCL id", message: library.message(status) });
        }
        Ok(Self(id.internal.map(|byte| byte as u8)))
    }

    pub(super) fn raw(&self) -> ncclUniqueId {
        ncclUniqueId { internal: self.0.map(|byte| byte as std::ffi::c_char) }
    }
}

impl fmt::Display for NcclId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for NcclId {
    /// Without the secret: it would let anyone join.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("NcclId(..)")
    }
}

/// A word that is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an NCCL id is 256 hexadecimal digits")]
pub struct NotAnId;

impl FromStr for NcclId {
    type Err = NotAnId;

    fn from_str(word: &str) -> Result<Self, NotAnId> {
        if word.len() != 2 * BYTES || !word.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NotAnId);
        }
        let mut bytes = [0; BYTES];
        for (position, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&word[2 * position..2 * position + 2], 16).map_err(|_| NotAnId)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for NcclId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NcclId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_the_wire_and_shows_no_secret() {
        let id = NcclId(std::array::from_fn(|position| (position * 37) as u8));
        let text = serde_json::to_string(&id).unwrap();
        assert!(text.starts_with("\"00254a"), "{text}");
        assert_eq!(serde_json::from_str::<NcclId>(&text).unwrap(), id);
        assert_eq!(id.raw().internal.map(|byte| byte as u8), id.0);
        assert_eq!(format!("{id:?}"), "NcclId(..)");
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for word in [String::new(), "0".repeat(254), "0".repeat(258), "+1".repeat(128), "ä".repeat(128)] {
            assert_eq!(word.parse::<NcclId>(), Err(NotAnId), "{word}");
        }
    }

    #[test]
    #[ignore = "needs NCCL"]
    fn no_two_ids_are_the_same() {
        assert!(NcclId::new().unwrap() != NcclId::new().unwrap());
    }
}
