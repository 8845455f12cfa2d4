//! Ctrl-C and SIGTERM: no new cells, no orphans, and what was done is kept.

use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// From now on, the first SIGINT or SIGTERM makes every [`Supervisor`](super::Supervisor) of this process stop, and a
/// second one ends the process as if this had never been called.
pub fn install() -> nix::Result<()> {
    let action =
        SigAction::new(SigHandler::Handler(note), SaFlags::SA_RESTART | SaFlags::SA_RESETHAND, SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: `note` does nothing but store to an atomic, which is allowed in a signal handler.
        unsafe { sigaction(signal, &action)? };
    }
    Ok(())
}

/// Asks every [`Supervisor`](super::Supervisor) of this process to stop, as the first Ctrl-C would.
pub fn request() {
    REQUESTED.store(true, Ordering::Relaxed);
}

/// Whether the run was asked to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

extern "C" fn note(_signal: std::ffi::c_int) {
    REQUESTED.store(true, Ordering::Relaxed);
}
