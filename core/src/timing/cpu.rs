//! A problem timed on the CPU, by the wall clock.

use std::{
    hint::spin_loop,
    time::{Duration, Instant},
};

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

/// A problem with as many sets of buffers as it takes to leave the caches cold. What only one series or only copies need
/// is made when they are first timed.
pub struct CpuStopwatch<'a> {
    problem: &'a dyn Problem,
    options: CpuOptions,
    bytes_moved: u64,
    inputs: Vec<HostTensor>,
    expected: Vec<HostTensor>,
    /// The sets made so far: none, one, or all.
    sets: Vec<BufferSet>,
    all_sets: usize,
    /// The set that the next cold call takes.
    next_set: usize,
    cold_copies: Vec<HostCopy>,
    all_copies: usize,
    /// The cold copy that comes next.
    next_copy: usize,
    hot_copy: Option<HostCopy>,
    calls: CallsInBatch,
    copies: CallsInBatch,
    slow_down: f64,
}

/// The buffers of one call.
struct BufferSet {
    inputs: Vec<HostTensor>,
    outputs: Vec<HostTensor>,
}

/// How many calls make a batch, as far as that is known.
#[derive(Clone, Copy, Default)]
struct CallsInBatch {
    cold: Option<usize>,
    hot: Option<usize>,
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

    /// Takes the inputs, which must satisfy [`Problem::check`], and computes what calls must leave.
    pub fn new(problem: &'a dyn Problem, inputs: Vec<HostTensor>, options: CpuOptions) -> Result<Self, RunError> {
        let expected = expected_outputs(problem, &inputs)?;
        let bytes_moved = problem.bytes_moved(&inputs);
        let cache = last_level_cache_bytes();
        let set_bytes = inputs.iter().chain(&expected).map(|tensor| tensor.guarded_bytes().len()).sum();
        Ok(Self {
            problem,
            options,
            bytes_moved,
            inputs,
            expected,
            sets: Vec::new(),
            // What not even two sets of fit into the budget is far larger than any cache.
            all_sets: rotation::sets(set_bytes, cache, BUDGET_BYTES).unwrap_or(2),
            next_set: 0,
            cold_copies: Vec::new(),
            all_copies: rotation::sets(bytes_moved as usize, cache, BUDGET_BYTES).unwrap_or(2),
            next_copy: 0,
            hot_copy: None,
            calls: CallsInBatch::default(),
            copies: CallsInBatch::default(),
            slow_down: 0.0,
        })
    }

    /// Makes the buffers of a series, uses each once, which pays for what comes only once, and then times single calls to
    /// find how many make a batch.
    fn calibrate(&mut self, subject: Subject, series: Series) -> Result<usize, RunError> {
        let cold = series == Series::Cold;
        let warm_up = match subject {
            Subject::Call => {
                let wanted = if cold { self.all_sets } else { 1 };
                while self.sets.len() < wanted {
                    self.sets.push(self.new_set());
                }
                wanted
            }
            Subject::Copy if cold => {
                let new = |_| HostCopy::new(self.bytes_moved, self.options.threads, true);
                self.cold_copies = (0..self.all_copies).map(new).collect();
                self.all_copies
            }
            Subject::Copy => {
                // What fits into the last cache is copied fastest by storing it there.
                let stream = self.bytes_moved >= last_level_cache_bytes() as u64;
                self.hot_copy = Some(HostCopy::new(self.bytes_moved, self.options.threads, stream));
                1
            }
        };
        self.batch(subject, series, warm_up)?;
        let seconds = (0..3).map(|_| self.batch(subject, series, 1)).collect::<Result<Vec<_>, _>>()?;
        Ok(calls_in_batch(seconds.into_iter().fold(f64::INFINITY, f64::min), MOST_CALLS))
    }

    fn new_set(&self) -> BufferSet {
        let outputs = self.problem.outputs().into_iter().map(|spec| HostTensor::poisoned(spec, 0xFF)).collect();
        BufferSet { inputs: self.inputs.clone(), outputs }
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
        if self.slow_down > 0.0 {
            let longer = start.elapsed().mul_f64(1.0 + self.slow_down);
            while start.elapsed() < longer {
                spin_loop();
            }
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
                let copy = if is_cold {
                    let copy = following(&mut self.next_copy, self.cold_copies.len());
                    self.cold_copies.get_mut(copy)
                } else {
                    self.hot_copy.as_mut()
                };
                copy.expect("copies are made before the first of them").run();
                Ok(())
            }
        }
    }

    fn sample(&mut self, subject: Subject, series: Series) -> Result<f64, RunError> {
        let calls = match self.calls_in_batch(subject, series)? {
            Some(calls) => *calls,
            None => {
                let calls = self.calibrate(subject, series)?;
                *self.calls_in_batch(subject, series)? = Some(calls);
                calls
            }
        };
        self.batch(subject, series, calls)
    }

    fn calls_in_batch(&mut self, subject: Subject, series: Series) -> Result<&mut Option<usize>, RunError> {
        let calls = match subject {
            Subject::Call => &mut self.calls,
            Subject::Copy => &mut self.copies,
        };
        match series {
            Series::Cold => Ok(&mut calls.cold),
            Series::Hot => Ok(&mut calls.hot),
            Series::Stream | Series::Graph => Err(no_such_series(series, "CPU")),
        }
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
        self.all_sets
    }

    fn time_call(&mut self, series: Series) -> Result<f64, RunError> {
        self.sample(Subject::Call, series)
    }

    fn time_copy(&mut self, series: Series) -> Result<f64, RunError> {
        self.sample(Subject::Copy, series)
    }

    fn slow_down(&mut self, fraction: f64) -> Result<(), RunError> {
        self.slow_down = fraction;
        Ok(())
    }

    fn verify(&mut self) -> Result<Option<WrongWhileTimed>, RunError> {
        let made = self.sets.len();
        let mut wrong = self.difference(Series::Cold, made);
        for (series, sets, timed) in [(Series::Cold, made, self.calls.cold), (Series::Hot, 1, self.calls.hot)] {
            if wrong.is_none() && timed.is_some() {
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

    fn small_problem() -> Box<dyn Problem> {
        let mut parameters = Parameters::default();
        for (name, extent) in [("b", 2), ("s", 20), ("d", 8), ("t", 30)] {
            parameters.set(name, crate::parameters::Value::Integer(extent));
        }
        operators::registry().get("resample").unwrap().problem(crate::dtype::DType::F32, &parameters).unwrap()
    }

    #[test]
    fn a_call_and_a_copy_take_time_in_each_series_of_a_cpu_and_in_no_other() {
        let problem = small_problem();
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

    #[test]
    fn a_slow_down_lengthens_calls_by_its_fraction_at_least() {
        let problem = small_problem();
        let inputs = problem.generate(Distribution::Uniform, Seed::root(1));
        let mut stopwatch = CpuStopwatch::new(&*problem, inputs, CpuOptions::default()).unwrap();
        for series in CpuStopwatch::SERIES {
            let mut fastest = |fraction| {
                stopwatch.slow_down(fraction).unwrap();
                (0..20).map(|_| stopwatch.time_call(*series).unwrap()).fold(f64::INFINITY, f64::min)
            };
            let (plain, slow) = (fastest(0.0), fastest(3.0));
            assert!(slow > 2.0 * plain, "{series}: {plain} s, and {slow} s slowed down");
        }
        assert_eq!(stopwatch.verify().unwrap(), None);
    }
}
