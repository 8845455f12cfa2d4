//! What the performance suite measured.

use robocache_core::timing::Series;
use serde::{Deserialize, Serialize};

use crate::evidence::Fact;

/// The times of one cell. All times are in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PerformanceFacts {
    /// The fewest bytes that a call must move: each input row touched is read once, each output written once.
    pub bytes_moved: u64,
    /// Over how many sets of buffers cold calls were rotated.
    pub sets: u64,
    /// Each series that the device has.
    pub series: Vec<SeriesFacts>,
    /// An output that did not hold the right bits after timed calls; its time is worth nothing.
    pub wrong_output: Option<String>,
}

/// One series of samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesFacts {
    /// How the operator was called.
    pub series: Series,
    /// Samples that count.
    pub samples: u64,
    /// Samples that were discarded because the GPU was throttled before or after them.
    pub discarded: u64,
    /// Why there are no more.
    pub ended: SamplingEnd,
    /// Median time of a call.
    pub median_seconds: f64,
    /// The shortest.
    pub minimum_seconds: f64,
    /// Their mean.
    pub mean_seconds: f64,
    /// The range of the middle half over 1.349 and over the median: the relative standard deviation, if times were
    /// normally distributed, without the influence of outliers.
    pub noise: f64,
    /// Bytes moved over the median time.
    pub bytes_per_second: f64,
    /// The floor: the median time of a copy of as many bytes, measured between the calls.
    pub copy_seconds: f64,
    /// The time of a call over that of the copy beside it.
    pub ratio: RatioFacts,
    /// The GPU meanwhile; absent on a CPU.
    pub gpu: Option<Fact<GpuConditions>>,
}

/// Ratios of paired samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RatioFacts {
    /// Their median.
    pub median: f64,
    /// The lower end of the median's 95 % confidence interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// Why sampling ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SamplingEnd {
    /// The ratio was known as well as was asked for.
    Quiet,
    /// The most samples were taken.
    MostSamples,
    /// The time was over.
    Time,
    /// The GPU was throttled all the time.
    Throttled,
}

/// What NVML said of the GPU beside the samples: least and most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuConditions {
    /// Clock of the multiprocessors in MHz.
    pub sm_mhz: (u32, u32),
    /// Clock of the memory in MHz.
    pub memory_mhz: (u32, u32),
    /// Temperature in degrees Celsius.
    pub temperature_c: (u32, u32),
    /// Every reason for which it was throttled.
    pub throttled: Vec<String>,
}

impl RatioFacts {
    /// How far the confidence interval reaches, as a fraction of the median.
    pub fn reach(&self) -> f64 {
        (self.high - self.median).max(self.median - self.low) / self.median
    }
}
