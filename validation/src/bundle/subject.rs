//! Which shared library a bundle is of, and which one it is replayed with.

use std::fmt;

use robocache_core::subject::Description;
use serde::{Deserialize, Serialize};

use super::tensors::printable;

/// A shared library under test, as the environment of its run has it. What it computes with is no part of this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectIdentity {
    /// The name that it gave itself.
    pub name: String,
    /// The version that it gave itself.
    pub version: String,
    /// BLAKE3 of its file, in hexadecimal.
    pub hash: String,
}

impl From<&Description> for SubjectIdentity {
    fn from(description: &Description) -> Self {
        let Description { name, version, hash, .. } = description;
        Self { name: name.clone(), version: version.clone(), hash: hash.clone() }
    }
}

impl fmt::Display for SubjectIdentity {
    /// `name version`, with the beginning of the hash. A stranger's file may have given the words.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, version, hash } = self;
        let short = hash.get(..16).unwrap_or(hash);
        write!(formatter, "{} {} ({})", printable(name), printable(version), printable(short))
    }
}

/// How the library of a replay stands to what failed.
pub(super) fn relation(failed: Option<&SubjectIdentity>, given: &SubjectIdentity) -> String {
    match failed {
        Some(failed) if failed.hash == given.hash => format!("{given}, the one that failed"),
        Some(failed) => format!("{given}, another one than the one that failed: {failed}"),
        None => format!("{given}, in the place of a program's own operators, which failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_the_one_of_its_hash_whatever_it_is_called() {
        let identity = |name: &str, hash: &str| SubjectIdentity {
            name: name.to_owned(),
            version: "1.0".to_owned(),
            hash: hash.repeat(32),
        };
        let (broken, mended) = (identity("mine", "ab"), identity("mine", "cd"));
        assert_eq!(relation(Some(&broken), &broken), "mine 1.0 (abababababababab), the one that failed");
        let other = relation(Some(&broken), &mended);
        assert!(other.ends_with("another one than the one that failed: mine 1.0 (abababababababab)"), "{other}");
        assert!(relation(None, &mended).contains("a program's own operators"));
        assert!(!identity("\u{1b}[31m", "ab").to_string().contains('\u{1b}'));
    }
}
