//! A problem timed on the CPU, by the wall clock.

use std::time::{Duration, Instant};

use super::{
    HostCopy, Series, Stopwatch, WrongWhileTimed, last_level_cache_bytes, rotation,
    stopwatch::{calls_in_batch, expected_outputs, no_such_series},
};
use crate::{
    cpu::CpuOptions,
    operator::{Problem, RunError},
    tensor::HostTensor,
};

/// The most that rotated buffers may take. With caches of more than a quarter of this they are less than four times the
/// cache.
const BUDGET_BYTES: usize = 2 << 30;

/// The most calls in a batch, so that one that does nothing ends.
const MOST_CALLS: usize = 100_000;

/// What was timed before a hot batch has left other data in the caches, and a cache of several megabytes does not give
/// them up at once: measured on data that fill three quarters of the last cache, the time of a call halves over ten calls.
const SETTLING_CALLS: usize = 16;

/// Data of calls that last longer than this do not fit into a cache.
const SETTLING_TIME: Duration = Duration::from_millis(5);

/// A problem with as many sets of buffers as it takes to leave the caches cold.
pub struct CpuStopwatch<'a> {
    problem: &'a dyn Problem,
    options: CpuOptions,
    bytes_moved: u64,
    sets: Vec<BufferSet>,
    expected: Vec<HostTensor>,
    /// The set that the next cold call takes.
    next_set: usize,
    cold_copies: Vec<HostCopy>,
    hot_copy: HostCopy,
    /// The cold copy that comes next.
    next_copy: usize,
    calls: CallsInBatch,
    copies: CallsInBatch,
}

/// The buffers of one call.
struct BufferSet {
    inputs: Vec<HostTensor>,
    outputs: Vec<HostTensor>,
}

/// How many calls make a batch.
#[derive(Clone, Copy)]
struct CallsInBatch {
    cold: usize,
    hot: usize,
}

/// What is timed.
#[derive(Clone, Copy)]
enum Subject {
    Call,
    Copy,
}

impl<'a> CpuStopwatch<'a> {
    /// The series that a CPU has.
    pub const SERIES: &'static [Series] = &[Series::Cold, Series::Hot];

    /// Copies the inputs, which must satisfy [`Problem::check`], into every set, and calls as often as it takes to know
    /// how many calls make a batch.
    pub fn new(problem: &'a dyn Problem, inputs: Vec<HostTensor>, options: CpuOptions) -> Result<Self, RunError> {
        let expected = expected_outputs(problem, &inputs)?;
        let bytes_moved = problem.bytes_moved(&inputs);
        let cache = last_level_cache_bytes();
        let set_bytes = inputs.iter().chain(&expected).map(|tensor| tensor.guarded_bytes().len()).sum();
        // What not even two sets of fit into the budget is far larger than any cache.
        let sets = rotation::sets(set_bytes, cache, BUDGET_BYTES).unwrap_or(2);
        let copies = rotation::sets(bytes_moved as usize, cache, BUDGET_BYTES).unwrap_or(2);
        let poisoned = || problem.outputs().into_iter().map(|spec| HostTensor::poisoned(spec, 0xFF)).collect();
        let one = CallsInBatch { cold: 1, hot: 1 };
        let mut stopwatch = Self {
            problem,
            options,
            bytes_moved,
            sets: (0..sets).map(|_| BufferSet { inputs: inputs.clone(), outputs: poisoned() }).collect(),
            expected,
            next_set: 0,
            cold_copies: (0..copies).map(|_| HostCopy::new(bytes_moved, options.threads, true)).collect(),
            hot_copy: HostCopy::new(bytes_moved, options.threads, bytes_moved >= cache as u64),
            next_copy: 0,
            calls: one,
            copies: one,
        };
        stopwatch.calibrate()?;
        Ok(stopwatch)
    }

    /// Calls on every set, which pays for what comes only once, and then times single calls to find how many make a
    /// batch.
    fn calibrate(&mut self) -> Result<(), RunError> {
        self.batch(Subject::Call, Series::Cold, self.sets.len())?;
        self.batch(Subject::Copy, Series::Cold, self.cold_copies.len())?;
        let mut calls = |subject| {
            let mut calls = |series| {
                let seconds = (0..3).map(|_| self.batch(subject, series, 1)).collect::<Result<Vec<_>, _>>()?;
                Ok::<_, RunError>(calls_in_batch(seconds.into_iter().fold(f64::INFINITY, f64::min), MOST_CALLS))
            };
            Ok::<_, RunError>(CallsInBatch { cold: calls(Series::Cold)?, hot: calls(Series::Hot)? })
        };
        let (call, copy) = (calls(Subject::Call)?, calls(Subject::Copy)?);
        (self.calls, self.copies) = (call, copy);
        Ok(())
    }

    /// Seconds for one of `calls` calls.
    fn batch(&mut self, subject: Subject, series: Series, calls: usize) -> Result<f64, RunError> {
        match series {
            Series::Cold => {}
            Series::Hot => self.settle(subject, series)?,
            Series::Stream | Series::Graph => return Err(no_such_series(series, "CPU")),
        }
        let start = Instant::now();
        for _ in 0..calls {
            self.once(subject, series)?;
        }
        Ok(start.elapsed().as_secs_f64() / calls as f64)
    }

    /// Calls until the caches hold the buffers of this series as far as they ever will.
    fn settle(&mut self, subject: Subject, series: Series) -> Result<(), RunError> {
        let start = Instant::now();
        for _ in 0..SETTLING_CALLS {
            self.once(subject, series)?;
            if start.elapsed() > SETTLING_TIME {
                break;
            }
        }
        Ok(())
    }

    fn once(&mut self, subject: Subject, series: Series) -> Result<(), RunError> {
        let is_cold = series == Series::Cold;
        match subject {
            Subject::Call => {
                let set = if is_cold { following(&mut self.next_set, self.sets.len()) } else { 0 };
                let BufferSet { inputs, outputs } = &mut self.sets[set];
                self.problem.run_cpu(inputs, outputs, self.options)
            }
            Subject::Copy => {
                if is_cold {
                    let copy = following(&mut self.next_copy, self.cold_copies.len());
                    self.cold_copies[copy].run();
                } else {
                    self.hot_copy.run();
                }
                Ok(())
            }
        }
    }

    fn sample(&mut self, subject: Subject, series: Series) -> Result<f64, RunError> {
        let calls = match subject {
            Subject::Call => self.calls,
            Subject::Copy => self.copies,
        };
        self.batch(subject, series, if series == Series::Cold { calls.cold } else { calls.hot })
    }

    /// The first output, among those of the first `sets` sets, that is not as expected.
    fn difference(&self, series: Series, sets: usize) -> Option<WrongWhileTimed> {
        self.sets.iter().take(sets).enumerate().find_map(|(set, buffers)| {
            let mut pairs = buffers.outputs.iter().zip(&self.expected);
            let (output, _) = pairs.find(|(output, expected)| output.guarded_bytes() != expected.guarded_bytes())?;
            Some(WrongWhileTimed { series, set, output: output.name().to_owned() })
        })
    }

    fn poison(&mut self) {
        for output in self.sets.iter_mut().flat_map(|set| &mut set.outputs) {
            output.bytes_mut().fill(0xFF);
        }
    }
}

/// The position to use now, counted on in a ring.
fn following(position: &mut usize, length: usize) -> usize {
    let current = *position;
    *position = (current + 1) % length;
    current
}

impl Stopwatch for CpuStopwatch<'_> {
    fn series(&self) -> &[Series] {
        Self::SERIES
    }

    fn bytes_moved(&self) -> u64 {
        self.bytes_moved
    }

    fn sets(&self) -> usize {
        self.sets.len()
    }

    fn time_call(&mut self, series: Series) -> Result<f64, RunError> {
        self.sample(Subject::Call, series)
    }

    fn time_copy(&mut self, series: Series) -> Result<f64, RunError> {
        self.sample(Subject::Copy, series)
    }

    fn verify(&mut self) -> Result<Option<WrongWhileTimed>, RunError> {
        let all = self.sets.len();
        let mut wrong = self.difference(Series::Cold, all);
        for (series, sets) in [(Series::Cold, all), (Series::Hot, 1)] {
            if wrong.is_none() {
                self.poison();
                self.batch(Subject::Call, series, sets)?;
                wrong = self.difference(series, sets);
            }
        }
        Ok(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{distribution::Distribution, operators, parameters::Parameters, random::Seed};

    #[test]
    fn a_call_and_a_copy_take_time_in_each_series_of_a_cpu_and_in_no_other() {
        let registry = operators::registry();
        let mut parameters = Parameters::default();
        for (name, extent) in [("b", 2), ("s", 20), ("d", 8), ("t", 30)] {
            parameters.set(name, crate::parameters::Value::Integer(extent));
        }
        let problem = registry.get("resample").unwrap().problem(crate::dtype::DType::F32, &parameters).unwrap();
        let inputs = problem.generate(Distribution::Uniform, Seed::root(1));
        let mut stopwatch = CpuStopwatch::new(&*problem, inputs, CpuOptions::default()).unwrap();
        for series in stopwatch.series().to_vec() {
            assert!(stopwatch.time_call(series).unwrap() > 0.0);
            assert!(stopwatch.time_copy(series).unwrap() > 0.0);
        }
        assert!(stopwatch.time_call(Series::Graph).is_err());
        assert_eq!(stopwatch.verify().unwrap(), None);
        stopwatch.sets[1].outputs[0].bytes_mut()[3] ^= 1;
        let wrong = stopwatch.verify().unwrap().unwrap();
        assert_eq!((wrong.set, wrong.output.as_str()), (1, "y"));
    }
}
