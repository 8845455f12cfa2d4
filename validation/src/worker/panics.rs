//! Panics of the code under test, as messages with their places.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::{Mutex, PoisonError},
};

use crate::supervisor::panic_message;

/// The first panic since [`catch`] began. Not per thread: a panic in a thread pool reaches the caller later, without
/// its place.
static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// From now on, remembers what panics say, besides printing it.
pub(super) fn record() {
    let print = take_hook();
    set_hook(Box::new(move |panic| {
        let message = panic_message(panic.payload());
        let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
        FIRST.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| format!("{message}{place}"));
        print(panic);
    }));
}

/// Runs `work`; an error is the message of the panic that ended it.
pub(super) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    take_first();
    // The worker is replaced after a panic, so nothing sees what it left half done.
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let message = take_first().unwrap_or_else(|| panic_message(&*payload).to_owned());
        // A payload may panic in turn when it is dropped.
        std::mem::forget(payload);
        message
    })
}

fn take_first() -> Option<String> {
    FIRST.lock().unwrap_or_else(PoisonError::into_inner).take()
}
