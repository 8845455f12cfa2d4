//! The tensors of what a suite found wrong: what a bundle is made of.

use std::{borrow::Cow, path::Path};

use robocache_core::{
    reference::{Expected, Reference},
    tensor::{HostTensor, TensorSpec},
};

use super::{SuiteSettings, prepare::Prepared};
use crate::{
    bundle::{BundleError, Exhibit, show},
    cell::Cell,
};

/// Outputs of more bytes are not rounded from a reference once more only to be shown: the memory may not be there.
const REFERENCE_LIMIT_BYTES: usize = 16 << 20;

/// What is wrong, as tensors. Facts say that something is; without any, everything held.
#[derive(Default)]
pub(super) struct Witness {
    /// Where another problem than the cell's own failed: what is to be replayed instead, and its inputs.
    pub(super) other: Option<(Cell, Vec<HostTensor>)>,
    /// The suite, if less of it than the cell asks for shows the same.
    pub(super) suite: Option<SuiteSettings>,
    /// What the outputs must be.
    pub(super) expected: Vec<HostTensor>,
    /// What they were.
    pub(super) actual: Vec<HostTensor>,
}

impl Witness {
    /// Writes it down for the supervisor, who can tell nobody if that fails either.
    pub(super) fn show(self, cell: &Cell, prepared: &Prepared, path: &Path) -> Result<(), BundleError> {
        let Self { other, suite, expected, actual } = self;
        let own = || {
            let suite = suite.unwrap_or_else(|| cell.suite.clone());
            Cell { parameters: prepared.parameters.clone(), suite, ..cell.clone() }
        };
        let (replay, inputs) = match other {
            Some((replay, inputs)) => (replay, Cow::Owned(inputs)),
            None => (own(), Cow::Borrowed(&*prepared.inputs)),
        };
        show(&Exhibit { replay: Cow::Owned(replay), inputs, expected, actual }, path)
    }
}

/// What a reference says, as the outputs would hold it; nothing if that is too large to be worth the memory.
pub(super) fn nearest(reference: Reference, specs: Vec<TensorSpec>) -> Vec<HostTensor> {
    if specs.iter().map(TensorSpec::bytes).sum::<usize>() > REFERENCE_LIMIT_BYTES {
        return Vec::new();
    }
    let rounded = |(expected, spec)| match expected {
        Expected::Bits(bits) => bits,
        Expected::Within(bounded) => bounded.nearest(spec),
    };
    reference.outputs.into_iter().zip(specs).map(rounded).collect()
}
