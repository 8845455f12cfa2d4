//! Buffers of records: CUPTI asks for empty ones and hands full ones back, from any thread.

use std::{
    alloc::{Layout, alloc, dealloc},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use cudarc::driver::sys::CUcontext;

/// Room for several thousand records: far more than one call of an operator makes.
const BUFFER_BYTES: usize = 1 << 20;

/// CUPTI demands 8-byte alignment.
const LAYOUT: Layout = match Layout::from_size_align(BUFFER_BYTES, 8) {
    Ok(layout) => layout,
    Err(_) => panic!("the size is not zero and the alignment is a power of two"),
};

/// Buffers that CUPTI has handed back.
static COMPLETED: Mutex<Vec<Buffer>> = Mutex::new(Vec::new());

/// Whoever holds this lock owns what is handed back: CUPTI records for the whole process.
static OWNER: Mutex<()> = Mutex::new(());

/// Waits until nobody else records.
pub(super) fn own() -> MutexGuard<'static, ()> {
    // The lock guards no data: a panic of another holder leaves nothing half done.
    OWNER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A buffer of records, owned.
pub(super) struct Buffer {
    start: *mut u8,
    valid_bytes: usize,
    /// The queue of which it is, as `cuptiActivityGetNumDroppedRecords` wants it. Never dereferenced here.
    pub(super) context: CUcontext,
    /// As above.
    pub(super) stream: u32,
}

// SAFETY: the memory belongs to this value alone, and the context is only handed back to CUPTI, from any thread.
unsafe impl Send for Buffer {}

impl Buffer {
    /// The first byte and the number of bytes that hold records.
    pub(super) fn records(&self) -> (*mut u8, usize) {
        (self.start, self.valid_bytes)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: allocated in `requested` with this layout; CUPTI gave it back and nothing else knows of it.
        unsafe { dealloc(self.start, LAYOUT) };
    }
}

/// Takes all buffers that have been handed back.
pub(super) fn take_completed() -> Vec<Buffer> {
    mem::take(&mut *COMPLETED.lock().unwrap_or_else(PoisonError::into_inner))
}

/// CUPTI needs an empty buffer. Without memory it gets none, and counts the records as dropped, which is an error when
/// they are read.
///
/// # Safety
/// All three pointers must be valid for writes, as CUPTI promises.
pub(super) unsafe extern "C" fn requested(buffer: *mut *mut u8, bytes: *mut usize, most_records: *mut usize) {
    // SAFETY: the layout has a size.
    let start = unsafe { alloc(LAYOUT) };
    // SAFETY: the caller's promise. 0 records mean: as many as fit.
    unsafe {
        *buffer = start;
        *bytes = if start.is_null() { 0 } else { BUFFER_BYTES };
        *most_records = 0;
    }
}

/// CUPTI hands a buffer back, with this many bytes of records in it.
///
/// # Safety
/// `buffer` must come from [`requested`] and must not be used by CUPTI any more, as it promises.
pub(super) unsafe extern "C" fn completed(
    context: CUcontext,
    stream: u32,
    buffer: *mut u8,
    _bytes: usize,
    valid_bytes: usize,
) {
    if buffer.is_null() {
        return;
    }
    // Nothing below unwinds: a poisoned lock is taken all the same, and lack of memory aborts.
    let buffer = Buffer { start: buffer, valid_bytes: valid_bytes.min(BUFFER_BYTES), context, stream };
    COMPLETED.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    #[test]
    fn a_buffer_goes_to_cupti_and_comes_back() {
        let _owner = own();
        let (mut start, mut bytes, mut most_records) = (ptr::null_mut(), 0, 7);
        // SAFETY: all pointers are valid; the buffer goes back once, below.
        unsafe { requested(&mut start, &mut bytes, &mut most_records) };
        assert!(!start.is_null() && (start as usize).is_multiple_of(8));
        assert_eq!((bytes, most_records), (BUFFER_BYTES, 0));
        // SAFETY: from `requested`, and used by nobody else.
        unsafe { completed(ptr::null_mut(), 3, start, bytes, 96) };
        let buffers = take_completed();
        assert!(buffers.iter().any(|buffer| buffer.records() == (start, 96) && buffer.stream == 3));
        assert!(take_completed().is_empty());
    }
}
