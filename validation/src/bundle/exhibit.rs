//! What a worker shows of a failure: the tensors, in a scratch file of the run.
//!
//! They are too large for the wire. The file has the form of a bundle and is believed no more than one: the code under
//! test runs in the process that writes it.

use std::{borrow::Cow, path::Path};

use robocache_core::tensor::HostTensor;
use serde::{Deserialize, Serialize};

use super::{
    container,
    error::{BundleError, Flaw},
    manifest::is_regenerable,
    read::bytes_of,
    tensors::{Held, RECORDED_LIMIT_BYTES, Role, STORED_LIMIT_BYTES, TensorEntry, check_entries},
};
use crate::cell::Cell;

/// The metadata key of an exhibit.
const KEY: &str = "exhibit";

/// The tensors behind a failure.
pub(crate) struct Exhibit<'a> {
    /// What is to be replayed: the cell, or what the suite narrowed it to.
    pub(crate) replay: Cow<'a, Cell>,
    /// What the operator was fed, in the problem's order.
    pub(crate) inputs: Cow<'a, [HostTensor]>,
    /// What its outputs must be, if that is known.
    pub(crate) expected: Vec<HostTensor>,
    /// What its outputs were, if it gave any.
    pub(crate) actual: Vec<HostTensor>,
}

/// An exhibit that was read back.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) replay: Cell,
    pub(crate) tensors: Vec<Held<'static>>,
}

#[derive(Serialize, Deserialize)]
struct Label {
    replay: Cell,
    tensors: Vec<TensorEntry>,
}

/// Writes an exhibit. What is too large is left out, and its hash kept.
pub(crate) fn show(exhibit: &Exhibit<'_>, path: &Path) -> Result<(), BundleError> {
    let tensors = chosen(exhibit).map_err(|flaw| flaw.of(path))?;
    let entries = tensors.iter().map(|held| held.entry.clone()).collect();
    let label = Label { replay: exhibit.replay.clone().into_owned(), tensors: entries };
    let text = serde_json::to_string(&label).expect("a cell is maps with string keys and finite numbers only");
    container::write(path, KEY, &text, &tensors).map_err(|flaw| flaw.of(path))
}

/// Inputs come first, all or none; of the outputs, each that there is room for.
fn chosen<'a>(exhibit: &'a Exhibit<'_>) -> Result<Vec<Held<'a>>, Flaw> {
    let limit = if is_regenerable(&exhibit.replay) { STORED_LIMIT_BYTES } else { RECORDED_LIMIT_BYTES };
    let input_bytes = bytes(&exhibit.inputs);
    let stores_inputs = input_bytes <= limit;
    if !stores_inputs && !is_regenerable(&exhibit.replay) {
        return Err(Flaw::absurd(
            "the size of the recorded inputs in bytes",
            input_bytes,
            "2^28 is the most that is kept",
        ));
    }
    let mut room = STORED_LIMIT_BYTES.saturating_sub(if stores_inputs { input_bytes } else { 0 });
    let mut tensors = Vec::new();
    for (role, of_role) in
        [(Role::Input, &*exhibit.inputs), (Role::Expected, &exhibit.expected), (Role::Actual, &exhibit.actual)]
    {
        for tensor in of_role {
            let stored = match role {
                Role::Input => stores_inputs,
                Role::Expected | Role::Actual => tensor.bytes().len() <= room,
            };
            if stored && role != Role::Input {
                room -= tensor.bytes().len();
            }
            let payload = stored.then_some(Cow::Borrowed(tensor));
            tensors.push(Held { entry: TensorEntry::of(role, tensor, stored), payload });
        }
    }
    Ok(tensors)
}

fn bytes(tensors: &[HostTensor]) -> usize {
    tensors.iter().map(|tensor| tensor.bytes().len()).sum()
}

/// Reads the exhibit that a worker left of this cell.
pub(super) fn read(path: &Path, cell: &Cell) -> Result<Shown, BundleError> {
    bytes_of(path).and_then(|bytes| parse(&bytes, cell)).map_err(|flaw| flaw.of(path))
}

fn parse(bytes: &[u8], cell: &Cell) -> Result<Shown, Flaw> {
    let text = container::text(bytes, KEY)?;
    let Label { replay, tensors } =
        serde_json::from_str(&text).map_err(|error| Flaw::Malformed(format!("its label: {error}")))?;
    check_entries(&tensors, is_regenerable(&replay))?;
    let mut tensors: Vec<Held<'static>> = tensors.into_iter().map(|entry| Held { entry, payload: None }).collect();
    container::fill(bytes, KEY, &text, &mut tensors)?;
    // A worker may narrow what is replayed, not what it is a part of.
    let Cell { name, operator, device, limits, .. } = cell.clone();
    Ok(Shown { replay: Cell { name, operator, device, limits, ..replay }, tensors })
}
