//! Linear interpolation of sampled streams on the CPU: what `resample` and `fuse` have in common.
//!
//! [`search`] finds the samples around a target time, [`kernel`] mixes two samples with vector instructions
//! ([`baseline`], `avx2`, `avx512`), and [`engine`] cuts the output into tasks and runs them on all threads.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod baseline;
mod engine;
mod kernel;
mod search;
#[cfg(test)]
mod tests;

pub(crate) use engine::{Source, interpolate};
