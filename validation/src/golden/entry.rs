//! One golden: which problem, on which inputs, and what its tensors are.

use robocache_core::{distribution::Distribution, dtype::DType, parameters::Parameters, random::Seed};
use serde::{Deserialize, Serialize};

use super::error::GoldenFlaw;
use crate::{
    bundle::{Role, TensorEntry, check_entries},
    cell::Device,
};

/// The most bytes of a part of a name.
const NAME_LIMIT_BYTES: usize = 96;

/// A golden, save its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// The operator's name in the registry.
    pub operator: String,
    /// The element type of the data.
    pub dtype: DType,
    /// What stands for the arguments in names.
    pub problem: String,
    /// The operator's arguments.
    pub parameters: Parameters,
    /// What the inputs were drawn from.
    pub distribution: Distribution,
    /// With which seed.
    pub seed: Seed,
    /// The inputs in the problem's order, then the outputs as what is expected.
    pub tensors: Vec<TensorEntry>,
}

/// A golden in its corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// The golden.
    pub golden: Golden,
    /// BLAKE3 of its file, in hexadecimal.
    pub blake3: String,
}

impl Golden {
    /// What it is called: a cell's name without suite and device.
    pub fn name(&self) -> String {
        let Self { operator, dtype, problem, distribution, .. } = self;
        format!("{operator}::{dtype}::{problem}::{distribution}")
    }

    /// The name of the cell that reproduces it on a device.
    pub fn cell_name(&self, suite: &str, device: Device, release: &str) -> String {
        let Self { operator, dtype, problem, distribution, .. } = self;
        format!("{suite}::{operator}::{device}::{dtype}::{problem}::{distribution}::{release}")
    }

    /// The name of its file in the corpus.
    pub fn file_name(&self) -> String {
        let Self { operator, dtype, problem, distribution, .. } = self;
        format!("{operator}.{dtype}.{problem}.{distribution}.safetensors")
    }

    /// Fails unless this could be one: its names become those of files and cells, its sizes are allocated.
    pub(super) fn check(&self) -> Result<(), GoldenFlaw> {
        check_name(&self.operator)?;
        check_name(&self.problem)?;
        let rank = |role| match role {
            Role::Input => 0,
            Role::Expected => 1,
            Role::Actual => 2,
        };
        let is_ordered = self.tensors.is_sorted_by_key(|entry| rank(entry.role));
        let is_whole = self.tensors.iter().all(|entry| entry.stored && rank(entry.role) < 2);
        if !(is_ordered && is_whole) || self.tensors.last().is_none_or(|last| last.role != Role::Expected) {
            return Err(GoldenFlaw::Malformed("a golden has inputs and then outputs, all of them stored".to_owned()));
        }
        Ok(check_entries(&self.tensors, false)?)
    }
}

/// Fails unless this can be a part of names of files and cells.
pub(super) fn check_name(name: &str) -> Result<(), GoldenFlaw> {
    let fits = |character: char| character.is_ascii_alphanumeric() || "_-.+".contains(character);
    match !name.is_empty() && !name.starts_with('.') && name.len() <= NAME_LIMIT_BYTES && name.chars().all(fits) {
        true => Ok(()),
        false => {
            Err(GoldenFlaw::Nameless(name.chars().take(NAME_LIMIT_BYTES).flat_map(char::escape_default).collect()))
        }
    }
}
