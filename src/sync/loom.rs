//! The lock and the threads of models: loom decides who goes on whenever a lock is taken, a waker called or a thread put
//! to sleep, and what is seen of that which is read without a lock.
//!
//! What else threads share stays as it is. An `Arc` only counts its owners, and nobody reads what another owner wrote
//! before letting go of it other than under a lock; the statistics of spinning decide nothing but time.

use core::fmt;
use core::sync::atomic::Ordering;
use std::sync::OnceLock;

use spin::mutex::SpinMutex;

pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU32};

/// A lock held for one bounded step. It knows no poison: a step does not panic.
pub(crate) struct Lock<T: ?Sized> {
    /// The lock in the model, made when it is first taken, as there is no constant one.
    turn: OnceLock<loom::sync::Mutex<()>>,
    /// Whoever has the turn finds it free.
    content: SpinMutex<T>,
}

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { turn: OnceLock::new(), content: SpinMutex::new(value) }
    }
}

impl<T: ?Sized> Lock<T> {
    /// Runs one step on the content.
    pub(crate) fn with<R>(&self, step: impl FnOnce(&mut T) -> R) -> R {
        // A model that has failed ends without turns.
        let going = !std::thread::panicking();
        let _turn = going.then(|| self.turn.get_or_init(loom::sync::Mutex::default).lock());
        step(&mut self.content.try_lock().expect("no step takes a lock that it has"))
    }
}

impl<T: ?Sized> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

/// What is made once, and read without a lock from then on. Only one thread at a time may make it.
pub(crate) struct Once<T> {
    value: OnceLock<T>,
    /// Whether the value is there, as far as a thread has heard.
    made: AtomicBool,
}

impl<T> Once<T> {
    pub(crate) fn new() -> Self {
        Self { value: OnceLock::new(), made: AtomicBool::new(false) }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        // A model that has failed ends without turns.
        let made = std::thread::panicking() || self.made.load(Ordering::Acquire);
        self.value.get().filter(|_| made)
    }

    pub(crate) fn call_once(&self, make: impl FnOnce() -> T) -> &T {
        // It does not ask loom whether it was made: of those who did, loom knows only the last when it is made.
        if self.value.get().is_none() {
            assert!(self.value.set(make()).is_ok(), "only one thread makes it");
            self.made.store(true, Ordering::Release);
        }
        self.value.get().expect("it was made")
    }
}

/// Threads, as far as waiting needs them.
pub(crate) mod thread {
    pub(crate) use loom::thread::{Thread, current, park};

    pub(crate) fn park_timeout(_: core::time::Duration) {
        unreachable!("in a model, no time is left");
    }
}
