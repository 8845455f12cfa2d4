//! How long a call takes, beside a copy that moves the same number of bytes.
//!
//! A [`Stopwatch`] holds a problem that is prepared for being timed on one device: [`CpuStopwatch`] or [`CudaStopwatch`].
//! Nothing here decides how many samples are enough or what is fast.

mod cache;
mod cpu;
mod cuda;
mod host_copy;
mod rotation;
mod stopwatch;

pub use cache::last_level_cache_bytes;
pub use cpu::CpuStopwatch;
pub use cuda::CudaStopwatch;
pub use host_copy::HostCopy;
pub use stopwatch::{Series, Stopwatch, UnknownSeries, WrongWhileTimed};
