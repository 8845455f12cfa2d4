//! One run in a process that has never run anything: a rung of the determinism suite.

use std::{env, io, time::Duration};

use crate::{
    cell::Cell,
    observation::OutputHashes,
    protocol::{Attached, ProtocolError, Request, Response, encode},
    supervisor::{
        THIS_PROGRAM,
        process::{Answer, Launch, Place, cause},
    },
};

/// Why a fresh process gave no digest.
#[derive(Debug, thiserror::Error)]
pub enum FreshProcessError {
    /// It could not be started.
    #[error("cannot start a fresh process: {0}")]
    Start(#[from] io::Error),
    /// The cell cannot be sent to it.
    #[error(transparent)]
    Request(#[from] ProtocolError),
    /// It ended without an answer.
    #[error("the fresh process ended without an answer ({0})")]
    Died(String),
    /// It took too long and was killed.
    #[error("the fresh process gave no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// It could not do what it was asked.
    #[error("{0}")]
    Refused(String),
    /// It said something that is no digest.
    #[error("the fresh process broke the protocol: {0}")]
    Protocol(String),
}

/// Has this worker's program run `cell` once in a process of its own, and waits for the hashes of its outputs.
///
/// The process prints where this worker prints and belongs to its process group: a deadline that kills this worker
/// kills it too. Call it from a worker only, whose arguments it inherits.
pub fn digest_in_fresh_process(
    cell: &Cell,
    attached: &Attached,
    timeout: Duration,
) -> Result<OutputHashes, FreshProcessError> {
    let launch = Launch {
        program: THIS_PROGRAM.into(),
        arguments: env::args_os().skip(1).collect(),
        environment: Vec::new(),
        place: Place::SharedGroup,
    };
    let frame = encode(&Request::Digest { cell: Box::new(cell.clone()), attached: attached.clone() })?;
    let mut process = launch.start()?;
    match process.exchange(&frame, timeout, &|| false) {
        Answer::Response(Response::Digest(digest)) => Ok(digest),
        Answer::Response(Response::Refused(reason)) => Err(FreshProcessError::Refused(reason)),
        Answer::Response(Response::Ready | Response::Observed(_) | Response::Exhibited | Response::Stranded) => {
            Err(FreshProcessError::Protocol("it answered another question".into()))
        }
        Answer::Closed => Err(FreshProcessError::Died(
            process
                .death()
                .map_or_else(|| "its connection is closed, but it would not end".into(), |death| cause(&death)),
        )),
        Answer::DeadlineExceeded | Answer::Cancelled => Err(FreshProcessError::TimedOut(timeout)),
        Answer::Violation(violation) => Err(FreshProcessError::Protocol(violation.to_string())),
    }
}
