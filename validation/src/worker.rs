//! The child's side: takes cells, runs the code under test, and answers with facts.
//!
//! A worker trusts nothing that it runs. Its connection is out of reach of code that reads standard input or writes
//! standard output, its memory is limited, panics become observations, and it cannot outlive its parent.

mod confinement;
mod fresh_process;
mod panics;

use std::os::unix::net::UnixStream;

pub(crate) use self::confinement::{confine, without_inherited_limit, without_memory_limit};
pub use self::{
    confinement::ConfinementError,
    fresh_process::{FreshProcessError, digest_in_fresh_process},
};
use crate::{
    cell::Cell,
    observation::{Observation, OutputHashes},
    protocol::{Attached, ProtocolError, Request, Response, receive, send},
};

/// Why a worker stopped before its supervisor hung up.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The process is not fit to run cells.
    #[error(transparent)]
    Confinement(#[from] ConfinementError),
    /// The supervisor cannot be talked to.
    #[error("cannot talk to the supervisor: {0}")]
    Protocol(#[from] ProtocolError),
}

/// Answers requests until the supervisor hangs up. It takes over the process: standard input, resource limits, the
/// panic hook. Call it first thing in `main`, on the main thread.
///
/// `execute` observes a cell; `digest` runs it plainly once; `exhibit` shows its inputs and runs nothing. Their errors say
/// why that could not be done here. `is_stranded` says whether no cell can be executed any more.
pub fn serve(
    is_stranded: impl Fn() -> bool,
    execute: impl Fn(&Cell, &Attached) -> Result<Observation, String>,
    digest: impl Fn(&Cell, &Attached) -> Result<OutputHashes, String>,
    exhibit: impl Fn(&Cell, &Attached) -> Result<(), String>,
) -> Result<(), WorkerError> {
    let mut supervisor = confine()?;
    panics::record();
    send(&mut supervisor, &Response::Ready)?;
    loop {
        let response = match receive(&mut supervisor) {
            Ok(None) => return Ok(()),
            Ok(Some(Request::Execute { .. })) if is_stranded() => Response::Stranded,
            Ok(Some(Request::Execute { cell, attached })) => {
                limited(&cell, || match panics::catch(|| execute(&cell, &attached)) {
                    Ok(Ok(observation)) => Response::Observed(Box::new(observation)),
                    Ok(Err(reason)) => Response::Refused(reason),
                    Err(message) => Response::Observed(Box::new(Observation::Panicked { message })),
                })
            }
            Ok(Some(Request::Digest { cell, attached })) => {
                limited(&cell, || match panics::catch(|| digest(&cell, &attached)) {
                    Ok(Ok(digest)) => Response::Digest(digest),
                    Ok(Err(reason)) => Response::Refused(reason),
                    Err(message) => Response::Refused(format!("panicked: {message}")),
                })
            }
            Ok(Some(Request::Exhibit { cell, attached })) => {
                limited(&cell, || match panics::catch(|| exhibit(&cell, &attached)) {
                    Ok(Ok(())) => Response::Exhibited,
                    Ok(Err(reason)) => Response::Refused(reason),
                    Err(message) => Response::Refused(format!("panicked: {message}")),
                })
            }
            Err(error @ ProtocolError::Malformed { .. }) => Response::Refused(error.to_string()),
            Err(error) => return Err(error.into()),
        };
        answer(&mut supervisor, &response)?;
    }
}

/// Runs `work` within the memory that the cell may use.
fn limited(cell: &Cell, work: impl FnOnce() -> Response) -> Response {
    match confinement::limit_memory(cell.limits.memory_bytes) {
        Ok(()) => work(),
        Err(error) => Response::Refused(error.to_string()),
    }
}

fn answer(supervisor: &mut UnixStream, response: &Response) -> Result<(), ProtocolError> {
    match send(&mut *supervisor, response) {
        Err(error @ ProtocolError::TooLong { .. }) => {
            send(supervisor, &Response::Refused(format!("the observation cannot be sent: {error}")))
        }
        result => result,
    }
}
