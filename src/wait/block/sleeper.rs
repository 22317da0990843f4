//! Threads that sleep in a wait of the system's, until an event that they wait for themselves.
//!
//! A backend may have a thread of its own that waits for events of the system, and wakes the threads that wait for one.
//! A thread that blocks can wait for such an event just as well, without that detour: while it is polled, the backend
//! asks [`is_parking`] whether the waker is that of a thread that is about to sleep, prepares the wait, and says by
//! [`sleep_by`] how the thread is to sleep.

use std::cell::Cell;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

#[cfg(loom)]
use loom::thread_local;
#[cfg(not(loom))]
use std::thread_local;

/// How a thread sleeps until an event of the system.
pub(crate) trait Sleeper: Send + Sync {
    /// Ends the thread's sleep, or the next one. Any thread may call it.
    fn alarm(&self);

    /// Puts the thread to sleep until an event, the alarm, or for `limit`. It may also end by itself. Calls `awake` when
    /// the thread sleeps no more, and then wakes all tasks that wait for the event.
    fn sleep(&self, limit: Option<Duration>, awake: &dyn Fn());

    /// The wait is over, in which the thread slept so.
    fn leave(&self) {}
}

thread_local! {
    // Loom's has no `const` form.
    #[allow(clippy::missing_const_for_thread_local)]
    /// The data of the waker by which the thread waits; 0 if there is none.
    static WAKER: Cell<usize> = Cell::new(0);
    #[allow(clippy::missing_const_for_thread_local)]
    /// How the thread is to sleep, if not by itself.
    static SLEEPER: Cell<Option<Arc<dyn Sleeper>>> = Cell::new(None);
    #[allow(clippy::missing_const_for_thread_local)]
    /// Whether the next wake-up comes by way of another thread.
    static FAR: Cell<bool> = Cell::new(false);
}

/// Whether `waker` is that of the running thread, which will sleep when it has been polled.
#[cfg_attr(not(feature = "lonet"), allow(dead_code, reason = "for backends with threads of their own"))]
pub(crate) fn is_parking(waker: &Waker) -> bool {
    // The thread-local is gone while the thread exits.
    WAKER.try_with(Cell::get).is_ok_and(|data| data != 0 && data == waker.data().addr())
}

/// The running thread, which [is about to sleep](is_parking), does so by `sleeper` for the rest of its wait.
pub(crate) fn sleep_by(sleeper: Arc<dyn Sleeper>) {
    let _ = SLEEPER.try_with(|cell| cell.set(Some(sleeper)));
}

/// The next wake-up of this thread comes by way of another thread, which needs a CPU to come: spinning would be in its
/// way.
#[cfg(feature = "lonet")]
pub(crate) fn set_far() {
    let _ = FAR.try_with(|far| far.set(true));
}

/// Whether [`set_far`] was called since it was last asked.
#[inline]
pub(crate) fn take_far() -> bool {
    FAR.try_with(Cell::take).unwrap_or(false)
}

/// A wait of the running thread, until it is dropped.
pub(crate) struct Parking {
    sleeper: Option<Arc<dyn Sleeper>>,
    /// Those of the wait that this one is within: a waker that is called may wait, too.
    outer: (usize, Option<Arc<dyn Sleeper>>),
}

impl Parking {
    /// By `waker`; by none, if the thread has to sleep by itself.
    #[inline]
    pub(crate) fn by(waker: Option<&Waker>) -> Self {
        let data = waker.map_or(0, |waker| waker.data().addr());
        let outer = WAKER.try_with(|cell| cell.replace(data)).unwrap_or(0);
        Self { sleeper: None, outer: (outer, SLEEPER.try_with(Cell::take).ok().flatten()) }
    }

    /// How the thread is to sleep, after it was polled.
    #[inline]
    pub(crate) fn sleeper(&mut self) -> Option<&Arc<dyn Sleeper>> {
        if let Some(sleeper) = SLEEPER.try_with(Cell::take).ok().flatten() {
            self.sleeper = Some(sleeper);
        }
        self.sleeper.as_ref()
    }
}

impl Drop for Parking {
    fn drop(&mut self) {
        let (waker, sleeper) = (self.outer.0, self.outer.1.take());
        let _ = WAKER.try_with(|cell| cell.set(waker));
        let unused = SLEEPER.try_with(|cell| cell.replace(sleeper)).ok().flatten();
        if let Some(sleeper) = unused.or(self.sleeper.take()) {
            sleeper.leave();
        }
    }
}
