//! NCCL: ranks that each have a GPU.
//!
//! The library is found at run time ([`NcclLibrary::load`]); its functions are taken from the library that was found, one
//! by one, so that a missing one is an error. [`Nccl`] is a [`crate::communicator::Communicator`] over it. No call of it
//! waits inside NCCL: the communicator is non-blocking, and whoever waits polls NCCL and the GPU, with a deadline and with
//! an eye on the referee. A communicator that cannot go on is aborted, which ends its kernels, and only then may the
//! memory be freed on which they work.
//!
//! # Environment
//! Whoever starts a rank sets `NCCL_NVLS_ENABLE=0` for it: with NVLS switches add in an order that differs from call to
//! call, and reductions give other bits. NCCL reads the variable once, so that it must be there from the start of the
//! process; [`Nccl::join`] refuses to begin without it.

mod communicator;
mod configuration;
mod environment;
mod error;
mod handle;
mod id;
mod issue;
mod library;
mod memory;
#[cfg(test)]
mod tests;

pub use communicator::Nccl;
pub use error::NcclError;
pub use handle::AbortHandle;
pub use id::NcclId;
pub use library::NcclLibrary;
pub use memory::NcclMemory;
