//! What can be timed of a problem, on any device.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    cpu::{CpuOptions, InstructionSet},
    operator::{Problem, RunError, check_tensors},
    tensor::HostTensor,
};

/// One batch of back-to-back calls lasts about this long: thousands of times the resolution of any clock used here.
pub(super) const BATCH_SECONDS: f64 = 1e-3;

/// One way of calling, and what the caches hold meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Series {
    /// Buffers are rotated over several times the last cache, so that none of a call's data is in it. On a GPU the calls
    /// are one captured graph, so that the time of launching them is not measured.
    Cold,
    /// CPU: the same buffers in every call, as far as the caches hold them.
    Hot,
    /// CUDA: calls enqueued one by one on one stream, on the same buffers: what a caller that does nothing else waits.
    Stream,
    /// CUDA: a graph of many calls on the same buffers, replayed.
    Graph,
}

impl Series {
    /// All of them, in the order in which tables show them.
    pub const ALL: [Self; 4] = [Self::Cold, Self::Hot, Self::Stream, Self::Graph];

    /// The word in the matrix, in records and in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Hot => "hot",
            Self::Stream => "stream",
            Self::Graph => "graph",
        }
    }
}

impl fmt::Display for Series {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// A word that names no series.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown series `{0}`; expected one of cold, hot, stream, graph")]
pub struct UnknownSeries(pub String);

impl FromStr for Series {
    type Err = UnknownSeries;

    fn from_str(word: &str) -> Result<Self, UnknownSeries> {
        Self::ALL.into_iter().find(|series| series.name() == word).ok_or_else(|| UnknownSeries(word.to_owned()))
    }
}

/// A timed call that left other bits than it must.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{output}` has other bits after a timed call ({series}, buffers {set}) than after a plain one")]
pub struct WrongWhileTimed {
    /// The series whose batch left them.
    pub series: Series,
    /// Which of the rotated sets of buffers, from 0.
    pub set: usize,
    /// The output's name.
    pub output: String,
}

/// A problem whose calls can be timed.
pub trait Stopwatch {
    /// The series that this device has.
    fn series(&self) -> &[Series];

    /// The bytes that a call must move: [`Problem::bytes_moved`].
    fn bytes_moved(&self) -> u64;

    /// Over how many sets of buffers [`Series::Cold`] rotates.
    fn sets(&self) -> usize;

    /// Seconds for one call, from a batch of back-to-back calls that lasts long enough for the clock. One sample.
    fn time_call(&mut self, series: Series) -> Result<f64, RunError>;

    /// The same for a copy that moves as many bytes, half of them read and half of them written, in the same cache state.
    fn time_copy(&mut self, series: Series) -> Result<f64, RunError>;

    /// From now on lengthens every timed batch by this fraction of its time, within what is timed and by doing nothing for
    /// that long: so that who compares two programs can show that a slow-down would be seen.
    fn slow_down(&mut self, fraction: f64) -> Result<(), RunError>;

    /// Looks at the outputs of the calls timed so far; then poisons them and looks again after one more batch of each
    /// series, so that a call that leaves its work undone once it has been called often enough is found as well.
    fn verify(&mut self) -> Result<Option<WrongWhileTimed>, RunError>;
}

/// Checks that there is something to time, and computes what every timed call must leave: on the CPU, by one thread and
/// without vector instructions, so that the code that is timed is not its own judge.
pub(super) fn expected_outputs(problem: &dyn Problem, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, RunError> {
    check_tensors(&problem.inputs(), inputs)?;
    problem.check(inputs)?;
    if problem.outputs().iter().all(|output| output.bytes() == 0) {
        return Err(RunError::Other(format!("{} has no output element: there is nothing to time", problem.name())));
    }
    let mut outputs: Vec<_> = problem.outputs().into_iter().map(HostTensor::zeros).collect();
    // What a library under test must leave is not for it to say.
    problem.builtin().unwrap_or(problem).run_cpu(
        inputs,
        &mut outputs,
        CpuOptions { threads: 1, instructions: InstructionSet::Baseline },
    )?;
    Ok(outputs)
}

/// How a stopwatch refuses a series of another device.
pub(super) fn no_such_series(series: Series, device: &str) -> RunError {
    RunError::Other(format!("a {device} has no series `{series}`"))
}

/// How many calls of `seconds` make a batch, between 1 and `most`.
pub(super) fn calls_in_batch(seconds: f64, most: usize) -> usize {
    // A clock that saw no time pass gives infinity, which the conversion saturates.
    ((BATCH_SECONDS / seconds).ceil() as usize).clamp(1, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_back() {
        for series in Series::ALL {
            assert_eq!(series.name().parse(), Ok(series));
        }
        assert_eq!("warm".parse::<Series>(), Err(UnknownSeries("warm".into())));
    }

    #[test]
    fn a_batch_is_long_enough_and_bounded() {
        assert_eq!(calls_in_batch(3e-6, usize::MAX), 334);
        assert_eq!(calls_in_batch(1.0, 10), 1);
        assert_eq!(calls_in_batch(0.0, 10), 10);
    }
}
