//! A communicator that is used by one thread, and ended by any.

use std::{
    ffi::c_int,
    ptr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use cudarc::nccl::sys::ncclComm_t;

use super::{
    NcclId, NcclLibrary,
    configuration::configuration,
    library::{Functions, IN_PROGRESS, SUCCESS, Status},
};
use crate::{
    communicator::{Announcement, CommunicatorError},
    cuda::Context,
};

/// Owns NCCL's communicator. It is ended once, by [`Handle::abort`], [`Handle::destroy`] or the drop, whichever comes first.
pub(super) struct Handle {
    library: &'static NcclLibrary,
    context: Context,
    /// Raised before the communicator is taken to be aborted. NCCL's abort waits until no graph holds the communicator, and
    /// its user, who may hold one, must not wait for the lock meanwhile.
    given_up: AtomicBool,
    /// `None` once it was ended. The lock is held during every call, since an abort frees what the call works on.
    communicator: Mutex<Option<Raw>>,
    /// The number of the last step that was waited for.
    waited_for: AtomicU64,
    _slot: Slot,
}

/// NCCL's pointer.
struct Raw(ncclComm_t);

// SAFETY: NCCL allows any thread to call on a communicator, one at a time; the mutex sees to that.
unsafe impl Send for Raw {}

/// Where NCCL wrote the pointer. Its initialisation, which goes on in a thread of its own, may write there again until it
/// has ended or was aborted, so that the place lives as long as the communicator.
struct Slot(*mut ncclComm_t);

// SAFETY: only NCCL writes there, and nobody reads after `Handle::begin`.
unsafe impl Send for Slot {}
// SAFETY: as above.
unsafe impl Sync for Slot {}

impl Drop for Slot {
    fn drop(&mut self) {
        // SAFETY: made of a box in `Handle::begin`, and the communicator was ended before its handle's fields are dropped.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

impl Handle {
    /// Begins to join, without waiting for any other rank. It is to be asked whether it [`Handle::is_ready`].
    pub(super) fn begin(
        library: &'static NcclLibrary,
        context: &Context,
        rank: c_int,
        world: c_int,
        id: &NcclId,
        at: Announcement,
    ) -> Result<Self, CommunicatorError> {
        context.bind()?;
        let slot = Slot(Box::into_raw(Box::new(ptr::null_mut())));
        let mut configuration = configuration(library.version());
        // SAFETY: the place lives as long as the handle; NCCL copies the configuration before it returns; the context of the
        // rank's GPU is bound.
        let status = unsafe { (library.functions.init_rank)(slot.0, world, id.raw(), rank, &mut configuration) };
        // SAFETY: made of a box just now. NCCL's thread writes no other value there than the one that it has by now.
        let raw = unsafe { slot.0.read_volatile() };
        let handle = Self {
            library,
            context: context.clone(),
            given_up: AtomicBool::new(false),
            communicator: Mutex::new((!raw.is_null()).then_some(Raw(raw))),
            waited_for: AtomicU64::new(0),
            _slot: slot,
        };
        handle.accepted(at, status)?;
        Ok(handle)
    }

    /// The GPU of this rank.
    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// The library.
    pub(super) fn library(&self) -> &'static NcclLibrary {
        self.library
    }

    /// Calls NCCL on the communicator, unless it was ended or is about to be. NCCL must have accepted the call.
    pub(super) fn call(
        &self,
        at: Announcement,
        call: impl FnOnce(&Functions, ncclComm_t) -> Status,
    ) -> Result<(), CommunicatorError> {
        let status = self.with(at, call)?;
        self.accepted(at, status)
    }

    /// Whether all that was called is through with its threads, so that the next call can be made; an error if any failed.
    pub(super) fn is_ready(&self, at: Announcement) -> Result<bool, CommunicatorError> {
        let status = self.with(at, |functions, communicator| {
            let mut status = SUCCESS;
            // SAFETY: the communicator lives during the call, and so does the place of the answer.
            match unsafe { (functions.async_error)(communicator, &mut status) } {
                SUCCESS => status,
                refused => refused,
            }
        })?;
        self.accepted(at, status).map(|()| status != IN_PROGRESS)
    }

    /// Ends the communicator at once, and with it its kernels; nothing if it was ended before. When it returns, it is over,
    /// whoever aborted.
    ///
    /// Whoever holds a graph in which the communicator was captured must drop it first.
    pub(super) fn abort(&self) {
        self.given_up.store(true, Ordering::SeqCst);
        let mut communicator = self.communicator.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Raw(raw)) = communicator.take() {
            // A lost context is no reason to leave NCCL's threads alone.
            let _ = self.context.bind();
            // SAFETY: taken out, so that nobody uses it from now on. What NCCL says of it changes nothing.
            let _ = unsafe { (self.library.functions.abort)(raw) };
        }
    }

    /// Frees a communicator that was finalised.
    pub(super) fn destroy(&self, at: Announcement) -> Result<(), CommunicatorError> {
        let mut communicator = self.lock(at)?;
        let Some(Raw(raw)) = communicator.take() else { return Err(CommunicatorError::GivenUp { at }) };
        self.context.bind()?;
        // SAFETY: taken out, so that nobody uses it from now on.
        let status = unsafe { (self.library.functions.destroy)(raw) };
        self.accepted(at, status)
    }

    /// Notes that everything up to this step was waited for.
    pub(super) fn note_waited_for(&self, step: u64) {
        self.waited_for.store(step, Ordering::SeqCst);
    }

    /// Whether this step was waited for.
    pub(super) fn has_waited_for(&self, step: u64) -> bool {
        self.waited_for.load(Ordering::SeqCst) >= step
    }

    fn with<T>(
        &self,
        at: Announcement,
        call: impl FnOnce(&Functions, ncclComm_t) -> T,
    ) -> Result<T, CommunicatorError> {
        let communicator = self.lock(at)?;
        let Some(Raw(raw)) = &*communicator else { return Err(CommunicatorError::GivenUp { at }) };
        self.context.bind()?;
        Ok(call(&self.library.functions, *raw))
    }

    /// The lock, without waiting for an abort.
    fn lock(&self, at: Announcement) -> Result<MutexGuard<'_, Option<Raw>>, CommunicatorError> {
        loop {
            if self.given_up.load(Ordering::SeqCst) {
                return Err(CommunicatorError::GivenUp { at });
            }
            match self.communicator.try_lock() {
                Ok(communicator) => return Ok(communicator),
                Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => std::thread::yield_now(),
            }
        }
    }

    fn accepted(&self, at: Announcement, status: Status) -> Result<(), CommunicatorError> {
        match status {
            SUCCESS | IN_PROGRESS => Ok(()),
            _ => Err(CommunicatorError::Nccl { at, message: self.library.message(status) }),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.abort();
    }
}

/// Ends a communicator from any thread, such as one that watches the other ranks. Clones end the same one.
#[derive(Clone)]
pub struct AbortHandle(Arc<Handle>);

impl AbortHandle {
    pub(super) fn new(handle: &Arc<Handle>) -> Self {
        Self(Arc::clone(handle))
    }

    /// Ends the communicator: the rank's wait ends with [`CommunicatorError::GivenUp`], and its kernels end. It does nothing
    /// if the communicator has ended already.
    pub fn abort(&self) {
        self.0.abort();
    }
}
