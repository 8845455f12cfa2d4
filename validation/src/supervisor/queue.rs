//! Cells that wait for a slot.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// A first-in first-out queue between threads.
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    waiting: VecDeque<T>,
    closed: bool,
}

impl<T> Queue<T> {
    pub(super) const fn new() -> Self {
        Self { state: Mutex::new(State { waiting: VecDeque::new(), closed: false }), changed: Condvar::new() }
    }

    /// Adds to the end.
    pub(super) fn push(&self, item: T) {
        self.lock().waiting.push_back(item);
        self.changed.notify_one();
    }

    /// Waits for the first item; `None` once the queue is closed.
    pub(super) fn pop(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(item) = state.waiting.pop_front() {
                return Some(item);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Drops what waits and lets nobody wait any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting.clear();
        drop(state);
        self.changed.notify_all();
    }

    /// Whether [`Queue::close`] was called.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No code of ours panics between two consistent states of the queue.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    #[test]
    fn items_leave_in_the_order_in_which_they_came() {
        let queue = Queue::new();
        (0..3).for_each(|item| queue.push(item));
        assert_eq!([queue.pop(), queue.pop(), queue.pop()], [Some(0), Some(1), Some(2)]);
    }

    #[test]
    fn closing_drops_what_waits_and_wakes_who_waits() {
        let queue = Queue::<()>::new();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| queue.pop().is_none());
            let other = scope.spawn(|| queue.pop().is_none());
            queue.close();
            assert!(waiter.join().unwrap() && other.join().unwrap());
        });
        let (sender, receiver) = mpsc::channel::<()>();
        let queue = Queue::new();
        queue.push(sender);
        queue.close();
        assert!(receiver.recv().is_err(), "the waiting sender was not dropped");
        assert!(queue.pop().is_none());
    }
}
