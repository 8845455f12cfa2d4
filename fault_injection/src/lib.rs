//! Seeded defects: what a harness must catch, so that it can be shown to catch it.
//!
//! A [`Mutant`] is a small patch to a right implementation, with the [`Kind`] of its defect and the [`Suite`] that must
//! find it. A [`Control`] is a patch that changes no result: whoever complains about one raises a false alarm. Both are
//! files (`mutants/<device>/<name>.patch`, `controls/<device>/<name>.patch`), embedded in the program together with the
//! sources that they are made for, so that a packed program needs no repository.
//!
//! | step    | from                         | to                           | in            |
//! |---------|------------------------------|------------------------------|---------------|
//! | read    | the text of a patch file     | [`Mutant`] or [`Control`]    | `header`      |
//! | apply   | [`Sources`] and a diff       | changed [`Sources`]          | `patch`       |
//! | compile | [`Sources`] of the CPU       | a shared library             | `compiler`    |
//! | compile | [`Sources`] of CUDA          | an image of kernels          | `nvcc`        |
//!
//! A [`RankFault`] is the other kind of defect: one that a running rank meets. Here are only the names; the rank's own
//! process carries it out.
//!
//! Nothing here runs what it compiles, and nothing here knows a suite but by its name.

mod catalogue;
mod compiler;
mod embedded;
mod header;
mod kind;
mod mutant;
mod nvcc;
mod patch;
mod rank_fault;
mod sources;
mod suite;

pub use catalogue::{Catalogue, CatalogueError};
pub use compiler::{CompileError, Compiler, MissingCompiler};
pub use header::HeaderError;
pub use kind::{Kind, UnknownKind};
pub use mutant::{Control, Mutant};
pub use nvcc::{MissingNvcc, Nvcc};
pub use patch::PatchError;
pub use rank_fault::{Moment, RankFault, ScheduledFault, UnknownRankFault};
pub use sources::Sources;
pub use suite::{Suite, UnknownSuite};

/// The matrix on which mutants are run: small problems that tell right from wrong. It has one profile for each device.
pub const MATRIX: &str = include_str!("../mutants.yaml");

/// The same for the mutants of the CUDA kernels.
pub const CUDA_MATRIX: &str = include_str!("../mutants_cuda.yaml");
