//! The measuring side: a process that prepares what it is told and gives seconds.
//!
//! It decides nothing. Two programs are compared fairly only if neither chooses for itself how long it measures.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use robocache_core::{
    operator::{Problem, RunError},
    registry::Registry,
    tensor::HostTensor,
    timing::Stopwatch,
};

use super::protocol::{
    Answer, Greeting, Hello, LINE_LIMIT_BYTES, MachineIdentity, PROTOCOL, Request, Subject, Turn, line,
};
use crate::{
    cell::Device,
    evidence::{Fact, Program, StorageError},
    suites::{Prepared, Unprepared, Wanted, own_gpu_uuid, prepare_wanted, stopwatch},
    worker::{ConfinementError, confine},
};

/// Why a measuring process stopped before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// It was not started by a gate.
    #[error(transparent)]
    Confinement(#[from] ConfinementError),
    /// It cannot say what it is.
    #[error(transparent)]
    Program(#[from] StorageError),
    /// The gate cannot be talked to.
    #[error("cannot talk to the gate: {0}")]
    Connection(#[from] io::Error),
}

/// Answers requests until the gate hangs up. It takes over the process, as a worker does.
///
/// `slow_down` lengthens every measured batch of calls by this fraction of its time: so that a gate can show that it
/// would see that.
pub fn serve(registry: &Registry, slow_down: f64) -> Result<(), MeasureError> {
    let socket = confine()?;
    let mut gate = Gate { requests: BufReader::new(socket.try_clone()?), answers: socket };
    let kernel_image =
        robocache_kernels::IMAGE.embedded().map(|image| image.blake3.to_owned()).map_err(ToString::to_string);
    let hello = Hello {
        protocol: PROTOCOL,
        program: Program::current()?,
        kernel_image: Fact::new(kernel_image),
        machine: MachineIdentity::look(),
    };
    gate.answers.write_all(&line(&Greeting { hello }))?;
    let mut request = gate.next()?;
    // A stopwatch borrows its problem, so each lives in a frame of its own until something else is to be prepared.
    while let Some(current) = request {
        request = match current {
            Request::Prepare(subject) => gate.measure(registry, &subject, slow_down)?,
            Request::Measure(_) | Request::Verify => {
                gate.answer(&Answer::Refused { reason: "nothing is prepared".to_owned() })?;
                gate.next()?
            }
        };
    }
    Ok(())
}

/// The connection to the gate.
struct Gate {
    requests: BufReader<UnixStream>,
    answers: UnixStream,
}

impl Gate {
    /// The next request; `None` if the gate hung up. What is no request is answered here.
    fn next(&mut self) -> io::Result<Option<Request>> {
        loop {
            let mut text = Vec::new();
            (&mut self.requests).take(LINE_LIMIT_BYTES as u64).read_until(b'\n', &mut text)?;
            if text.is_empty() {
                return Ok(None);
            }
            match serde_json::from_slice(&text) {
                Ok(request) => return Ok(Some(request)),
                Err(error) => self.answer(&Answer::Refused { reason: format!("no such request: {error}") })?,
            }
        }
    }

    fn answer(&mut self, answer: &Answer) -> io::Result<()> {
        self.answers.write_all(&line(answer))
    }

    /// Prepares a subject and measures it until something else is to be prepared, which is returned.
    fn measure(&mut self, registry: &Registry, subject: &Subject, slow_down: f64) -> io::Result<Option<Request>> {
        let wanted = Wanted {
            operator: &subject.operator,
            dtype: subject.dtype,
            parameters: &subject.parameters,
            input: &subject.input,
            seed: subject.seed,
        };
        let prepared = match prepare_wanted(registry, &wanted, subject.recording.as_ref()) {
            Ok(prepared) => prepared,
            Err(unprepared) => return self.refuse(Unprepared::into_message(unprepared)),
        };
        let Prepared { problem, inputs, .. } = &prepared;
        let hashes = inputs.iter().map(|input| HostTensor::hash(input).to_hex().to_string()).collect();
        let (mut stopwatch, gpu) = match open(subject.device, &**problem, inputs, slow_down) {
            Ok(opened) => opened,
            Err(error) => return self.refuse(error.to_string()),
        };
        self.answer(&Answer::Prepared { series: stopwatch.series().to_vec(), inputs: hashes, gpu })?;
        loop {
            let result = match self.next()? {
                Some(Request::Measure(turn)) => {
                    take_turn(&mut *stopwatch, turn).map(|seconds| Answer::Measured { seconds })
                }
                Some(Request::Verify) => stopwatch.verify().map(|wrong| match wrong {
                    None => Answer::Verified,
                    Some(wrong) => Answer::Refused { reason: wrong.to_string() },
                }),
                other @ (Some(Request::Prepare(_)) | None) => return Ok(other),
            };
            self.answer(&result.unwrap_or_else(|error| Answer::Refused { reason: error.to_string() }))?;
        }
    }

    fn refuse(&mut self, reason: String) -> io::Result<Option<Request>> {
        self.answer(&Answer::Refused { reason })?;
        self.next()
    }
}

/// A stopwatch for a problem, and the UUID of its GPU.
fn open<'a>(
    device: Device,
    problem: &'a dyn Problem,
    inputs: &[HostTensor],
    slow_down: f64,
) -> Result<(Box<dyn Stopwatch + 'a>, Option<String>), RunError> {
    let mut opened = stopwatch(device, problem, inputs)?;
    if slow_down > 0.0 {
        opened.slow_down(slow_down)?;
    }
    let gpu = match device {
        Device::Cpu => None,
        Device::Cuda => Some(own_gpu_uuid()?.to_owned()),
    };
    Ok((opened, gpu))
}

/// Batches until the turn is over.
fn take_turn(stopwatch: &mut dyn Stopwatch, turn: Turn) -> Result<Vec<f64>, RunError> {
    let is_over = |begin: Instant, milliseconds| begin.elapsed() >= Duration::from_millis(milliseconds);
    let begin = Instant::now();
    loop {
        stopwatch.time_call(turn.series)?;
        if is_over(begin, turn.warm_up_ms) {
            break;
        }
    }
    let begin = Instant::now();
    let mut seconds = vec![stopwatch.time_call(turn.series)?];
    while seconds.len() < turn.batches && !is_over(begin, turn.measure_ms) {
        seconds.push(stopwatch.time_call(turn.series)?);
    }
    Ok(seconds)
}
