//! The lock and the threads of models: loom decides who goes on whenever a lock is taken, a waker called or a thread put
//! to sleep.
//!
//! What else threads share stays as it is. An `Arc` only counts its owners, and nobody reads what another owner wrote
//! before letting go of it other than under a lock; the statistics of spinning decide nothing but time.

use core::fmt;
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
        step(&mut self.content.try_lock().expect("no step takes a lock"))
    }
}

impl<T: ?Sized> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

/// Threads, as far as waiting needs them.
pub(crate) mod thread {
    pub(crate) use loom::thread::{Thread, current, park};

    pub(crate) fn park_timeout(_: core::time::Duration) {
        unreachable!("in a model, no time is left");
    }
}
