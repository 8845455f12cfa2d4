//! The file of a golden: safetensors with one metadata key, as bundles are, which says what the manifest says of it.

use std::{borrow::Cow, path::Path};

use robocache_core::tensor::HostTensor;
use serde::{Deserialize, Serialize};

use super::{
    entry::Golden,
    error::{GoldenError, GoldenFlaw},
    manifest::VERSION,
};
use crate::bundle::{Held, Role, TensorEntry, bytes_of, container};

/// The metadata key of a golden.
const KEY: &str = "golden";

/// The text under [`KEY`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Label<'a> {
    version: u32,
    golden: Cow<'a, Golden>,
}

/// A golden with its tensors.
#[derive(Clone, Debug)]
pub struct GoldenTensors {
    /// What it is.
    pub golden: Golden,
    /// What the operator was fed.
    pub inputs: Vec<HostTensor>,
    /// What the release made of it.
    pub outputs: Vec<HostTensor>,
}

/// The bytes of a golden's file: the same for the same content. Its tensors become what `golden` says of them.
pub(super) fn encode(
    golden: &mut Golden,
    inputs: &[HostTensor],
    outputs: &[HostTensor],
) -> Result<Vec<u8>, GoldenFlaw> {
    let held =
        |role| move |tensor| Held { entry: TensorEntry::of(role, tensor, true), payload: Some(Cow::Borrowed(tensor)) };
    let tensors: Vec<Held<'_>> =
        inputs.iter().map(held(Role::Input)).chain(outputs.iter().map(held(Role::Expected))).collect();
    golden.tensors = tensors.iter().map(|held| held.entry.clone()).collect();
    golden.check()?;
    let label = Label { version: VERSION, golden: Cow::Borrowed(golden) };
    let text = serde_json::to_string(&label).map_err(|error| GoldenFlaw::Malformed(error.to_string()))?;
    Ok(container::encode(KEY, &text, &tensors)?)
}

/// Reads the file of a golden, if it is the one of this hash.
pub fn read(path: &Path, blake3: &str) -> Result<GoldenTensors, GoldenError> {
    let read = || parse(&bytes_of(path)?, blake3);
    read().map_err(|flaw: GoldenFlaw| flaw.of(path))
}

fn parse(bytes: &[u8], blake3: &str) -> Result<GoldenTensors, GoldenFlaw> {
    let found = blake3::hash(bytes).to_hex();
    if found.as_str() != blake3 {
        return Err(GoldenFlaw::Altered(format!("its BLAKE3 is {found}, and the manifest says {blake3}")));
    }
    let text = container::text(bytes, KEY)?;
    let Label { version, golden } =
        serde_json::from_str(&text).map_err(|error| GoldenFlaw::Malformed(error.to_string()))?;
    if version > VERSION {
        return Err(GoldenFlaw::Newer { found: version.into() });
    }
    golden.check()?;
    let mut tensors: Vec<Held<'static>> =
        golden.tensors.iter().map(|entry| Held { entry: entry.clone(), payload: None }).collect();
    container::fill(bytes, KEY, &text, &mut tensors)?;
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    for Held { entry, payload } in tensors {
        let payload = payload.expect("every tensor of a golden is stored").into_owned();
        match entry.role {
            Role::Input => inputs.push(payload),
            Role::Expected | Role::Actual => outputs.push(payload),
        }
    }
    Ok(GoldenTensors { golden: golden.into_owned(), inputs, outputs })
}
