//! Goldens: what a release made of which inputs, kept so that every later program can be held against it.
//!
//! The corpus of a release is the folder `goldens/RELEASE` beside the matrix: one safetensors file for each golden,
//! with its inputs as well as its outputs, so that a changed generator cannot hide a changed operator; and
//! `manifest.json`, which lists them with their hashes. The matrix names each release with the hash of that manifest.
//! Nothing in a corpus is ever changed: [`write`](GoldenCommand) refuses a release that has one.
//!
//! | step      | from                                     | to                           | in         |
//! |-----------|------------------------------------------|------------------------------|------------|
//! | write     | the matrix's problems and distributions  | a corpus, once a release     | `write`    |
//! | read      | a release and its hash in the matrix     | [`Corpus`]: its [`Manifest`] | `corpus`   |
//! | plan      | a corpus                                 | a cell for each golden       | `plan`     |
//! | reproduce | a golden's file, in a worker             | facts                        | `suites`   |

mod arguments;
mod command;
mod corpus;
mod entry;
mod error;
mod file;
mod manifest;
mod write;

pub use arguments::{GoldenArguments, GoldenCommand};
pub(crate) use command::golden;
pub use corpus::{Corpus, corpora};
pub use entry::{Golden, Stored};
pub use error::{GoldenError, GoldenFlaw};
pub use file::{GoldenTensors, read};
pub use manifest::{Manifest, VERSION};
