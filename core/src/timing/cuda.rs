//! A problem timed on a GPU, by the GPU's own clock.
//!
//! Work is launched once untimed before the first event of a sample, so that the GPU is busy while the host enqueues the
//! rest: otherwise the time of the first launch would be measured with it.

mod subjects;

use super::{
    Series, Stopwatch, WrongWhileTimed,
    stopwatch::{calls_in_batch, expected_outputs, no_such_series},
};
use crate::{
    cuda::{CudaError, Device, DeviceComparison, DeviceTensor, Event, Graph, Launch, Stream},
    operator::{Problem, RunError},
    tensor::HostTensor,
};
use subjects::{Subject, Subjects};

/// The most calls in a graph, and the most launches in a batch.
const MOST_CALLS: usize = 1000;

/// A problem with as many sets of buffers as it takes to leave the L2 cache cold. Everything is allocated and captured
/// when it is made.
pub struct CudaStopwatch<'a> {
    // Graphs first: they hold addresses of what follows, and fields are dropped in this order.
    calls: Batches,
    copies: Batches,
    subjects: Subjects<'a>,
    clock: Clock,
    expected: Vec<DeviceTensor>,
    comparison: DeviceComparison,
    bytes_moved: u64,
    delays: Delays,
}

/// By how many nanoseconds a batch of calls is lengthened, in each series.
#[derive(Clone, Copy, Default)]
struct Delays {
    cold: u64,
    stream: u64,
    graph: u64,
}

/// What is timed of one subject.
struct Batches {
    cold: Batch,
    stream: Batch,
    graph: Batch,
}

/// What one sample enqueues.
struct Batch {
    /// `None` enqueues the call itself.
    graph: Option<Graph>,
    calls_per_launch: usize,
    launches: usize,
}

/// A stream and two marks in it.
struct Clock {
    stream: Stream,
    start: Event,
    end: Event,
}

impl<'a> CudaStopwatch<'a> {
    /// The series that a GPU has.
    pub const SERIES: &'static [Series] = &[Series::Cold, Series::Stream, Series::Graph];

    /// Uploads the inputs, which must satisfy [`Problem::check`], once for every set, captures the graphs, and calls as
    /// often as it takes to know how many calls make a batch.
    pub fn new(device: &'a Device, problem: &'a dyn Problem, inputs: &[HostTensor]) -> Result<Self, RunError> {
        let implementation =
            problem.cuda().ok_or_else(|| RunError::Other(format!("{} has no CUDA implementation", problem.name())))?;
        let expected = expected_outputs(problem, inputs)?;
        let bytes_moved = problem.bytes_moved(inputs);
        let context = device.context();
        let expected = expected.iter().map(|tensor| DeviceTensor::from_host(context, tensor));
        let expected = expected.collect::<Result<Vec<_>, _>>()?;
        let mut subjects = Subjects::new(device, problem, implementation, inputs, bytes_moved)?;
        let clock = Clock { stream: Stream::new(context)?, start: Event::new(context)?, end: Event::new(context)? };
        subjects.poison(&clock.stream)?;
        // What an implementation loads lazily cannot be loaded while its call is captured.
        subjects.enqueue(&clock.stream, Subject::Call, 0)?;
        clock.stream.synchronize()?;
        Ok(Self {
            calls: Batches::new(&mut subjects, Subject::Call, &clock)?,
            copies: Batches::new(&mut subjects, Subject::Copy, &clock)?,
            subjects,
            clock,
            expected,
            comparison: DeviceComparison::new(context)?,
            bytes_moved,
            delays: Delays::default(),
        })
    }

    fn sample(&mut self, subject: Subject, series: Series) -> Result<f64, RunError> {
        let batches = match subject {
            Subject::Call => &self.calls,
            Subject::Copy => &self.copies,
        };
        let (batch, delay) = match series {
            Series::Cold => (&batches.cold, self.delays.cold),
            Series::Stream => (&batches.stream, self.delays.stream),
            Series::Graph => (&batches.graph, self.delays.graph),
            Series::Hot => return Err(no_such_series(series, "GPU")),
        };
        let delay = match subject {
            Subject::Call => delay,
            Subject::Copy => 0,
        };
        Ok(self.clock.time(batch, &mut self.subjects, subject, delay)?)
    }

    /// Nanoseconds that are `fraction` of a batch of calls.
    fn share_of_batch(&mut self, series: Series, fraction: f64) -> Result<u64, RunError> {
        let seconds = (0..3).map(|_| self.sample(Subject::Call, series)).collect::<Result<Vec<_>, _>>()?;
        let batch = match series {
            Series::Cold => &self.calls.cold,
            Series::Stream => &self.calls.stream,
            Series::Graph => &self.calls.graph,
            Series::Hot => return Err(no_such_series(series, "GPU")),
        };
        let call = seconds.into_iter().fold(f64::INFINITY, f64::min);
        Ok((1e9 * fraction * call * batch.calls() as f64) as u64)
    }

    /// The first output, among those of the first `sets` sets, that is not as expected, guards included.
    fn difference(&mut self, series: Series, sets: usize) -> Result<Option<WrongWhileTimed>, CudaError> {
        let Self { subjects, clock, expected, comparison, .. } = self;
        for (set, buffers) in subjects.sets.iter().take(sets).enumerate() {
            for (output, expected) in buffers.outputs.iter().zip(&*expected) {
                let [output, expected] = [output, expected].map(std::slice::from_ref);
                if !comparison.equal(subjects.device, &clock.stream, output, expected)? {
                    return Ok(Some(WrongWhileTimed { series, set, output: output[0].spec().name.clone() }));
                }
            }
        }
        Ok(None)
    }
}

impl Stopwatch for CudaStopwatch<'_> {
    fn series(&self) -> &[Series] {
        Self::SERIES
    }

    fn bytes_moved(&self) -> u64 {
        self.bytes_moved
    }

    fn sets(&self) -> usize {
        self.subjects.sets.len()
    }

    fn time_call(&mut self, series: Series) -> Result<f64, RunError> {
        self.sample(Subject::Call, series)
    }

    fn time_copy(&mut self, series: Series) -> Result<f64, RunError> {
        self.sample(Subject::Copy, series)
    }

    fn slow_down(&mut self, fraction: f64) -> Result<(), RunError> {
        self.delays = Delays::default();
        self.delays = Delays {
            cold: self.share_of_batch(Series::Cold, fraction)?,
            stream: self.share_of_batch(Series::Stream, fraction)?,
            graph: self.share_of_batch(Series::Graph, fraction)?,
        };
        Ok(())
    }

    fn verify(&mut self) -> Result<Option<WrongWhileTimed>, RunError> {
        let all = self.sets();
        let mut wrong = self.difference(Series::Cold, all)?;
        for (series, sets) in [(Series::Cold, all), (Series::Stream, 1), (Series::Graph, 1)] {
            if wrong.is_none() {
                self.subjects.poison(&self.clock.stream)?;
                self.sample(Subject::Call, series)?;
                wrong = self.difference(series, sets)?;
            }
        }
        Ok(wrong)
    }
}

impl Batches {
    /// Captures the graphs of one subject and finds how often they are launched in a batch. Every set is called.
    fn new(subjects: &mut Subjects<'_>, subject: Subject, clock: &Clock) -> Result<Self, CudaError> {
        let sets = subjects.sets(subject);
        let in_turn =
            clock.stream.capture(|stream| (0..sets).try_for_each(|set| subjects.enqueue(stream, subject, set)));
        let mut cold = Batch { graph: Some(in_turn?), calls_per_launch: sets, launches: 1 };
        cold.calibrate(clock, subjects, subject)?;
        let mut one_by_one = Batch { graph: None, calls_per_launch: 1, launches: 1 };
        let seconds = one_by_one.calibrate(clock, subjects, subject)?;
        let calls = calls_in_batch(seconds, MOST_CALLS);
        let same = clock.stream.capture(|stream| (0..calls).try_for_each(|_| subjects.enqueue(stream, subject, 0)));
        let mut graph = Batch { graph: Some(same?), calls_per_launch: calls, launches: 1 };
        graph.calibrate(clock, subjects, subject)?;
        Ok(Self { cold, stream: one_by_one, graph })
    }
}

impl Batch {
    fn calls(&self) -> usize {
        self.launches * self.calls_per_launch
    }

    /// Finds the number of launches, the second time from a batch of about the right length. Returns seconds for a call.
    fn calibrate(&mut self, clock: &Clock, subjects: &mut Subjects<'_>, subject: Subject) -> Result<f64, CudaError> {
        let mut seconds = clock.time(self, subjects, subject, 0)?;
        for _ in 0..2 {
            self.launches = calls_in_batch(seconds * self.calls_per_launch as f64, MOST_CALLS);
            seconds = clock.time(self, subjects, subject, 0)?;
        }
        Ok(seconds)
    }
}

impl Clock {
    /// Seconds for one call of a batch, which is lengthened by `delay` nanoseconds in which the GPU does nothing.
    fn time(&self, batch: &Batch, subjects: &mut Subjects<'_>, subject: Subject, delay: u64) -> Result<f64, CudaError> {
        let mut launch = || match &batch.graph {
            // SAFETY: a graph and the buffers that it holds are of one stopwatch, which waits below.
            Some(graph) => unsafe { graph.launch(&self.stream) },
            None => subjects.enqueue(&self.stream, subject, 0),
        };
        launch()?;
        self.start.record(&self.stream)?;
        for _ in 0..batch.launches {
            launch()?;
        }
        if delay > 0 {
            let kernel = subjects.device.kernels().kernel("delay_nanoseconds")?;
            // SAFETY: the kernel takes one 64-bit number and touches no memory.
            unsafe { self.stream.launch(kernel, Launch::plain(1, 1), &[&delay]) }?;
        }
        self.end.record(&self.stream)?;
        self.stream.synchronize()?;
        let milliseconds = self.end.milliseconds_since(&self.start)?;
        Ok(1e-3 * f64::from(milliseconds) / batch.calls() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        distribution::Distribution,
        dtype::DType,
        operators,
        parameters::{Parameters, Value},
        random::Seed,
    };

    fn resample(batch: i64) -> Box<dyn Problem> {
        let mut parameters = Parameters::default();
        for (name, extent) in [("b", batch), ("s", 100), ("d", 32), ("t", 64)] {
            parameters.set(name, Value::Integer(extent));
        }
        operators::registry().get("resample").unwrap().problem(DType::Bf16, &parameters).unwrap()
    }

    #[test]
    #[ignore = "needs an NVIDIA GPU"]
    fn a_call_and_a_copy_take_time_in_each_series_of_a_gpu_and_in_no_other() {
        let _alone = crate::cuda::alone();
        let device = Device::open(0).unwrap();
        let problem = resample(8);
        let inputs = problem.generate(Distribution::Uniform, Seed::root(1));
        let mut stopwatch = CudaStopwatch::new(&device, &*problem, &inputs).unwrap();
        assert!(stopwatch.sets() > 2);
        for series in stopwatch.series().to_vec() {
            assert!(stopwatch.time_call(series).unwrap() > 0.0);
            assert!(stopwatch.time_copy(series).unwrap() > 0.0);
        }
        assert!(stopwatch.time_call(Series::Hot).is_err());
        assert_eq!(stopwatch.verify().unwrap(), None);
    }

    #[test]
    #[ignore = "needs an NVIDIA GPU"]
    fn a_slow_down_lengthens_calls_by_its_fraction_and_copies_not_at_all() {
        let _alone = crate::cuda::alone();
        let device = Device::open(0).unwrap();
        let problem = resample(8);
        let inputs = problem.generate(Distribution::Uniform, Seed::root(1));
        let mut stopwatch = CudaStopwatch::new(&device, &*problem, &inputs).unwrap();
        let fastest = |stopwatch: &mut CudaStopwatch<'_>, series| {
            (0..10).map(|_| stopwatch.time_call(series).unwrap()).fold(f64::INFINITY, f64::min)
        };
        for series in CudaStopwatch::SERIES {
            stopwatch.slow_down(0.0).unwrap();
            let plain = fastest(&mut stopwatch, *series);
            stopwatch.slow_down(0.5).unwrap();
            let ratio = fastest(&mut stopwatch, *series) / plain;
            // Calls in a stream may wait for the host, whose pace varies.
            let most = if *series == Series::Stream { f64::INFINITY } else { 1.6 };
            assert!((1.4..most).contains(&ratio), "{series}: {ratio}");
        }
        assert_eq!(stopwatch.verify().unwrap(), None);
    }

    #[test]
    #[ignore = "needs an NVIDIA GPU"]
    fn an_output_that_is_not_as_expected_is_found() {
        let _alone = crate::cuda::alone();
        let device = Device::open(0).unwrap();
        let problem = resample(2);
        let inputs = problem.generate(Distribution::Uniform, Seed::root(1));
        let mut stopwatch = CudaStopwatch::new(&device, &*problem, &inputs).unwrap();
        let stream = &stopwatch.clock.stream;
        stopwatch.subjects.sets[1].outputs[0].fill(stream, 0x11).unwrap();
        stream.synchronize().unwrap();
        let wrong = stopwatch.verify().unwrap().unwrap();
        assert_eq!((wrong.series, wrong.set, wrong.output.as_str()), (Series::Cold, 1, "y"));
    }

    #[test]
    #[ignore = "needs an NVIDIA GPU"]
    fn a_timed_copy_arrives() {
        let _alone = crate::cuda::alone();
        let device = Device::open(0).unwrap();
        let problem = resample(2);
        let inputs = problem.generate(Distribution::Uniform, Seed::root(1));
        let mut stopwatch = CudaStopwatch::new(&device, &*problem, &inputs).unwrap();
        let copy = &mut stopwatch.subjects.copy;
        let sent: Vec<u8> = (0..(copy.sets * copy.stride) as u32).map(|position| (position * 7) as u8).collect();
        copy.source.write(&sent).unwrap();
        stopwatch.time_copy(Series::Cold).unwrap();
        let copy = &stopwatch.subjects.copy;
        let mut received = vec![0; copy.sets * copy.stride];
        copy.destination.read(&mut received).unwrap();
        for (sent, received) in sent.chunks(copy.stride).zip(received.chunks(copy.stride)) {
            assert_eq!(sent[..copy.bytes], received[..copy.bytes]);
        }
    }
}
