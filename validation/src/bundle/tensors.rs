//! The tensors of a bundle: what is said of each, and which of them the file holds.

use std::{borrow::Cow, collections::BTreeSet, fmt};

use robocache_core::{
    dtype::DType,
    tensor::{HostTensor, TensorSpec},
};
use serde::{Deserialize, Serialize};

use super::error::Flaw;

/// The most bytes of tensors that a bundle of generated inputs holds. Larger ones are left out and only their hashes
/// kept: the seed gives the inputs back, and a failing run of large cells must not fill a disk.
pub(super) const STORED_LIMIT_BYTES: usize = 16 << 20;

/// The most bytes of inputs that a bundle holds where no seed gives them back: those of a recording.
pub(super) const RECORDED_LIMIT_BYTES: usize = 256 << 20;

/// The most bytes that inputs and outputs of a problem may have together, stored or not.
pub(super) const PROBLEM_LIMIT_BYTES: usize = 64 << 30;

/// The most tensors.
const COUNT_LIMIT: usize = 256;

/// The most axes of one.
const AXIS_LIMIT: usize = 16;

/// The most bytes of a name.
const NAME_LIMIT_BYTES: usize = 128;

/// What a tensor is to its cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// What the operator was fed.
    Input,
    /// What an output must be: the first run of a ladder of determinism, or the reference, rounded once.
    Expected,
    /// What an output was.
    Actual,
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Input => "input",
            Self::Expected => "expected",
            Self::Actual => "actual",
        })
    }
}

/// What is known of one tensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorEntry {
    /// What it is to its cell.
    pub role: Role,
    /// The operator's name for it.
    pub name: String,
    /// The element type.
    pub dtype: DType,
    /// The extents, slowest axis first.
    pub shape: Vec<usize>,
    /// BLAKE3 of its payload, in hexadecimal.
    pub blake3: String,
    /// Whether the file holds it, under the name `role/name`.
    pub stored: bool,
}

/// A tensor, and its payload if the file holds it.
#[derive(Clone, Debug)]
pub struct Held<'a> {
    /// What is known of it.
    pub entry: TensorEntry,
    /// Itself.
    pub payload: Option<Cow<'a, HostTensor>>,
}

impl TensorEntry {
    /// What is known of this tensor.
    pub fn of(role: Role, tensor: &HostTensor, stored: bool) -> Self {
        Self {
            role,
            name: tensor.name().to_owned(),
            dtype: tensor.dtype(),
            shape: tensor.shape().extents().to_vec(),
            blake3: tensor.hash().to_hex().to_string(),
            stored,
        }
    }

    /// Its name in the file.
    pub(super) fn key(&self) -> String {
        format!("{}/{}", self.role, self.name)
    }

    /// Its name, dtype and shape, if memory can address it.
    pub(super) fn spec(&self) -> Result<TensorSpec, Flaw> {
        TensorSpec::new(self.name.clone(), self.dtype, self.shape.clone())
            .map_err(|_| self.absurd(format!("{:?}", self.shape), "no memory can address it"))
    }

    fn absurd(&self, value: impl ToString, rule: &'static str) -> Flaw {
        Flaw::absurd(format!("the tensor `{}`", printable(&self.key())), value, rule)
    }

    fn check(&self) -> Result<TensorSpec, Flaw> {
        let fits = |character: char| character.is_ascii_alphanumeric() || "_-.".contains(character);
        if self.name.is_empty() || self.name.len() > NAME_LIMIT_BYTES || !self.name.chars().all(fits) {
            return Err(self.absurd("so called", "a name has letters, digits, `_`, `-` and `.` only, 128 at most"));
        }
        if self.shape.len() > AXIS_LIMIT {
            return Err(self.absurd(format!("of {} axes", self.shape.len()), "there are 16 at most"));
        }
        if blake3::Hash::from_hex(&self.blake3).is_err() {
            return Err(self.absurd("without a hash", "BLAKE3 has 64 hexadecimal digits"));
        }
        self.spec()
    }
}

/// Fails unless these entries could be those of a bundle; `regenerable` says whether a seed gives the inputs back.
pub(crate) fn check_entries(entries: &[TensorEntry], regenerable: bool) -> Result<(), Flaw> {
    if entries.len() > COUNT_LIMIT {
        return Err(Flaw::absurd("the number of tensors", entries.len(), "there are 256 at most"));
    }
    let mut seen = BTreeSet::new();
    let mut total = 0_usize;
    for entry in entries {
        total = total.saturating_add(entry.check()?.bytes());
        if !seen.insert((entry.role, &entry.name)) {
            return Err(entry.absurd("there twice", "names are unique"));
        }
    }
    if total > 2 * PROBLEM_LIMIT_BYTES {
        return Err(Flaw::absurd("the size of all tensors", total, "no bundle is made of so much"));
    }
    let inputs = || entries.iter().filter(|entry| entry.role == Role::Input);
    let stored = inputs().filter(|entry| entry.stored).count();
    if stored != inputs().count() && (stored > 0 || !regenerable) {
        return Err(Flaw::absurd("the number of stored inputs", stored, "all are stored, or a seed gives all back"));
    }
    if !regenerable && stored == 0 {
        return Err(Flaw::absurd("the number of stored inputs", 0, "no seed gives the inputs of a recording back"));
    }
    Ok(())
}

/// Text from a file, without anything that a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    text.chars().take(NAME_LIMIT_BYTES).flat_map(char::escape_default).collect()
}
