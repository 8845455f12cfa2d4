//! Work shared between the calling thread and rayon's threads.
//!
//! Calls here last from ten microseconds to some ten milliseconds. `rayon::join` and rayon's parallel iterators hand
//! such a call over to the pool and put the caller to sleep, so it pays for two wake-ups before any work is done.
//! [`for_each`] makes the caller a participant instead: it starts at once, and helpers join it when they have woken.
//!
//! Measured on two cores with `cargo bench --bench operators`: `fuse` of four sequences takes 45 us on one thread and
//! 24 us on two. That leaves nothing for a pool of our own to win.

use std::{
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

/// Calls `task` once with each item, on at most `threads` threads, the caller included.
///
/// Items are handed out one at a time and in order, so an item should last longer than a lock (a few microseconds at
/// least). Each thread that takes part makes itself a state with `state` at its first item; all states are returned, in
/// no particular order. There is none if there is no item.
///
/// # Panics
/// Propagates a panic of `task`, `state` or the iterator, when every thread has stopped.
pub(crate) fn for_each<I, S>(
    threads: usize,
    items: I,
    state: impl Fn() -> S + Sync,
    task: impl Fn(&mut S, I::Item) + Sync,
) -> Vec<S>
where
    I: ExactSizeIterator + Send,
    I::Item: Send,
    S: Send,
{
    let threads = threads.min(items.len());
    let queue = Mutex::new(items);
    let states = Mutex::new(Vec::new());
    // A poisoned lock means that another thread panicked; that panic is the one to propagate, so it is not hidden.
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let participate = || {
        let Some(mut item) = next() else { return };
        let mut own = state();
        loop {
            task(&mut own, item);
            match next() {
                Some(following) => item = following,
                None => break,
            }
        }
        states.lock().unwrap_or_else(PoisonError::into_inner).push(own);
    };
    if threads <= 1 {
        participate();
    } else {
        rayon::in_place_scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|_| participate());
            }
            if cfg!(test) {
                // Test data is so small that the caller would be done before a helper has woken.
                thread::sleep(Duration::from_micros(50));
            }
            participate();
        });
    }
    states.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashSet,
        panic::{AssertUnwindSafe, catch_unwind},
    };

    use super::*;

    #[test]
    fn every_item_is_seen_once_for_any_number_of_threads() {
        for threads in [0, 1, 2, 3, 17] {
            for items in [0, 1, 2, 1000] {
                let seen = for_each(threads, 0..items, Vec::new, Vec::push);
                assert!(seen.len() <= threads.max(1));
                let mut seen: Vec<usize> = seen.into_iter().flatten().collect();
                seen.sort_unstable();
                assert!(seen.iter().copied().eq(0..items));
            }
        }
    }

    #[test]
    fn items_may_be_disjoint_mutable_slices() {
        let mut numbers = vec![0; 1000];
        for_each(2, numbers.chunks_mut(7).enumerate(), || (), |(), (index, chunk)| chunk.fill(index));
        assert!(numbers.iter().enumerate().all(|(position, &number)| number == position / 7));
    }

    #[test]
    fn one_thread_means_the_caller() {
        let ids = for_each(1, 0..10, HashSet::new, |ids, _| {
            ids.insert(thread::current().id());
        });
        assert_eq!(ids, [HashSet::from([thread::current().id()])]);
    }

    #[test]
    fn a_panic_propagates_and_the_pool_stays_usable() {
        for threads in [1, 2, 5] {
            let panicking = || for_each(threads, 0..100, || (), |(), item| assert_ne!(item, 50, "item {item}"));
            assert!(catch_unwind(AssertUnwindSafe(panicking)).is_err());
            assert_eq!(for_each(1, 0..100, || 0, |sum, item| *sum += item), [4950]);
        }
    }

    #[test]
    fn several_threads_may_call_at_once_and_calls_may_nest() {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let outer = for_each(
                        3,
                        0..20,
                        || 0,
                        |sum, _| {
                            *sum += for_each(3, 0..20, || 0, |sum, item| *sum += item).into_iter().sum::<i32>();
                        },
                    );
                    assert_eq!(outer.into_iter().sum::<i32>(), 20 * 190);
                });
            }
        });
    }
}
