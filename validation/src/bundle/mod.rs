//! Bundles: all that a failing cell needs to be replayed months later, on a machine that has neither the matrix nor the
//! data that made it.
//!
//! A bundle is one safetensors file. Its only metadata key holds the [`Manifest`]: the cell, what is replayed of it,
//! what came of it and where. Its tensors are the inputs, the outputs that were wrong, and what they must be. The same
//! content gives the same bytes, and a file of any other bytes is refused. `docs/evidence.md` describes the format.
//!
//! | step     | from                                    | to                          | in              |
//! |----------|-----------------------------------------|-----------------------------|-----------------|
//! | show     | what a suite found wrong, in a worker   | an exhibit: a scratch file  | `exhibit`       |
//! | keep     | cell, outcome, verdict and exhibit      | a bundle in the run's folder| `keep`          |
//! | replay   | a bundle                                | [`Likeness`]                | `replay`        |
//! | minimize | a bundle                                | a smaller one               | `minimize`      |
//! | draft    | a bundle                                | a postmortem                | `postmortem`    |
//!
//! A bundle of a shared library says which one it was (`subject`), and is replayed with a library only: that one, to see
//! the same bits, or another one, to see what became of them. So is one of a file of CUDA kernels (`kernels`).
//!
//! A worker that is killed shows nothing; a new one then makes the inputs again, without the code under test.

mod arguments;
mod command;
pub(crate) mod container;
mod error;
mod exhibit;
mod keep;
mod kernels;
mod likeness;
mod manifest;
mod minimize;
mod postmortem;
mod read;
mod reduction;
mod replay;
mod slice;
mod subject;
mod tensors;
mod way;

pub use arguments::{BundleArguments, MinimizeArguments, PostmortemArguments, ReplayArguments};
pub(crate) use command::{draft_postmortem, minimize_bundle, replay_bundle};
pub use error::{BundleError, Flaw};
pub(crate) use exhibit::{Exhibit, show};
pub use keep::encode;
pub(crate) use keep::{Failure, Keeper};
pub use likeness::{Likeness, compare};
pub use manifest::{Manifest, VERSION};
pub use read::{Bundle, parse, read};
pub(crate) use read::{bytes_of, given_inputs};
pub use subject::SubjectIdentity;
pub(crate) use tensors::check_entries;
pub use tensors::{Held, Role, TensorEntry};
pub use way::way;
