//! A cell for the state of a program with one thread.

use core::cell::{RefCell, RefMut};

/// State that only the one thread of the firmware uses; interrupt handlers never do.
pub(crate) struct Single<T>(RefCell<T>);

// SAFETY: the board has one CPU and the firmware one thread; interrupt and exception handlers use
// no `Single`.
unsafe impl<T> Sync for Single<T> {}

impl<T> Single<T> {
    /// A cell with `value` in it.
    pub(crate) const fn new(value: T) -> Self {
        Single(RefCell::new(value))
    }

    /// The state, unless it is in use further up the stack.
    pub(crate) fn get(&self) -> Option<RefMut<'_, T>> {
        self.0.try_borrow_mut().ok()
    }
}
