//! What a worker process does to itself before it runs anything.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        prctl,
        resource::{Resource, getrlimit, setrlimit},
        signal::Signal,
        stat::{SFlag, fstat},
    },
    unistd::dup2_stdin,
};

use crate::cell::Limits;

/// Why a process cannot be a worker.
#[derive(Debug, thiserror::Error)]
pub enum ConfinementError {
    /// It was started by hand.
    #[error("standard input is not a supervisor's socket: a worker is started by its supervisor, not by hand")]
    NoSupervisor,
    /// The supervisor is gone already.
    #[error("the supervisor ended before this worker began")]
    SupervisorGone,
    /// The system refused.
    #[error("cannot {step}: {source}")]
    System {
        /// What was tried.
        step: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

/// Makes this process a worker: takes the connection away from standard input, ties its life to its parent's, and
/// turns core dumps off.
pub(crate) fn confine() -> Result<UnixStream, ConfinementError> {
    let socket = take_connection()?;
    // Works in an endless loop too, and on a stopped process, since nothing here has to run for it.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(failed("ask for a signal when the supervisor ends"))?;
    // A supervisor that ended before that sends no signal, but it has closed its end.
    if is_closed(&socket) {
        return Err(ConfinementError::SupervisorGone);
    }
    // Thousands of crashes are normal here; their cores would fill a disk.
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(failed("turn core dumps off"))?;
    // If the machine runs out of memory, a worker dies rather than the supervisor. Without /proc this stays undone.
    let _ = fs::write("/proc/self/oom_score_adj", "500");
    prctl::set_name(c"worker").map_err(failed("name the process"))?;
    Ok(socket)
}

/// Limits the private writable memory of this process: heap, anonymous mappings and thread stacks (`RLIMIT_DATA`).
/// An allocation beyond it fails, and Rust then aborts with a message that says how much was asked for.
///
/// Address space is not limited, since CUDA reserves more of it than any machine has memory; what a GPU driver maps
/// as shared, pinned buffers included, does not count either. What earlier cells left allocated in this process does.
pub(super) fn limit_memory(bytes: Option<u64>) -> Result<(), ConfinementError> {
    let (_, most) = getrlimit(Resource::RLIMIT_DATA).map_err(failed("read the memory limit"))?;
    let limit = bytes.map_or(most, |bytes| bytes.min(most));
    setrlimit(Resource::RLIMIT_DATA, limit, most).map_err(failed("limit memory"))
}

/// Does something of the harness's own, such as reading a bundle, within as much memory as there is: it must not use up
/// what the code under test may have.
pub(crate) fn without_memory_limit<T>(limits: Limits, work: impl FnOnce() -> T) -> Result<T, ConfinementError> {
    limit_memory(None)?;
    let result = work();
    limit_memory(limits.memory_bytes)?;
    Ok(result)
}

/// Gives this process as much memory as there is: what another process limited itself to is inherited, but not meant for
/// it.
pub(crate) fn without_inherited_limit() -> Result<(), ConfinementError> {
    limit_memory(None)
}

/// Moves the socket from descriptor 0 to one that no code under test knows, and leaves /dev/null there.
fn take_connection() -> Result<UnixStream, ConfinementError> {
    let standard_input = io::stdin();
    let kind = fstat(&standard_input).map(|status| SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT);
    if kind != Ok(SFlag::S_IFSOCK) {
        return Err(ConfinementError::NoSupervisor);
    }
    let socket: OwnedFd = standard_input.as_fd().try_clone_to_owned().map_err(failed("duplicate the connection"))?;
    let nothing = File::open("/dev/null").map_err(failed("open /dev/null"))?;
    dup2_stdin(&nothing).map_err(failed("replace standard input"))?;
    Ok(socket.into())
}

fn is_closed(socket: &UnixStream) -> bool {
    let mut descriptors = [PollFd::new(socket.as_fd(), PollFlags::empty())];
    !matches!(poll(&mut descriptors, PollTimeout::ZERO), Ok(0))
}

fn failed<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> ConfinementError {
    move |error| ConfinementError::System { step, source: error.into() }
}
