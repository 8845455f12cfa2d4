//! Memory in pages of two megabytes.
//!
//! Rows of a cloud and voxels of a grid are touched all over their arrays. With pages of 4 KiB most touches also miss
//! the TLB, and wait for a second memory access, on a virtual machine for several.

use std::collections::TryReserveError;

/// Smaller arrays have few pages of either size, and should not be rounded up to the large one.
#[cfg(target_os = "linux")]
const LARGE_BYTES: usize = 4 << 20;

/// `count` times `element`, in huge pages if that is many bytes and the system has such pages.
pub(crate) fn filled<T: Copy>(element: T, count: usize) -> Result<Vec<T>, TryReserveError> {
    let mut filled = Vec::new();
    filled.try_reserve_exact(count)?;
    advise(filled.spare_capacity_mut());
    filled.resize(count, element);
    Ok(filled)
}

/// A copy, in huge pages as [`filled`] has them.
pub(crate) fn copied<T: Copy>(elements: &[T]) -> Vec<T> {
    let mut copy = Vec::with_capacity(elements.len());
    advise(copy.spare_capacity_mut());
    copy.extend_from_slice(elements);
    copy
}

/// Asks for huge pages, which are given when memory is first touched. It is memory without them too.
#[cfg(target_os = "linux")]
fn advise<T>(memory: &[T]) {
    use std::ptr::NonNull;

    use nix::sys::mman::{MmapAdvise, madvise};

    const PAGE_BYTES: usize = 4096;
    let bytes = size_of_val(memory);
    if bytes < LARGE_BYTES {
        return;
    }
    // From the first whole page.
    let skipped = memory.as_ptr().cast::<u8>().align_offset(PAGE_BYTES);
    let first = memory.as_ptr().cast::<u8>().wrapping_add(skipped).cast_mut().cast();
    let Some(first) = NonNull::new(first) else { return };
    let whole = (bytes - skipped) / PAGE_BYTES * PAGE_BYTES;
    // SAFETY: the range lies within `memory`, and this advice changes no contents. A system that knows no huge pages
    // refuses it, and loses nothing.
    let _ = unsafe { madvise(first, whole, MmapAdvise::MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn advise<T>(_: &[T]) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_arrays_are_filled_and_copied() {
        for count in [0, 1, 1000, (4 << 20) + 13] {
            let mut numbers = filled(7_u16, count).unwrap();
            assert!(numbers.len() == count && numbers.iter().all(|&number| number == 7));
            numbers.iter_mut().enumerate().for_each(|(position, number)| *number = position as u16);
            assert_eq!(copied(&numbers), numbers);
        }
        assert!(filled(0_u64, usize::MAX / 16).is_err());
    }
}
