//! The lock and the threads of models. Loom chooses which thread continues whenever a lock is taken, a waker is called
//! or a thread is parked, and which value a read without a lock returns.
//!
//! Other shared state is not modelled. An `Arc` only counts its owners, and what an owner wrote before it dropped its
//! `Arc` is read only under a lock. The statistics of spinning affect only time.

use core::fmt;
use core::sync::atomic::Ordering;
use std::sync::OnceLock;

use spin::mutex::SpinMutex;

#[cfg(feature = "trace")]
pub(crate) use loom::sync::atomic::AtomicUsize;
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU32};
#[cfg(feature = "sim")]
pub(crate) use loom::thread_local;

/// A lock held for one bounded step. It has no poisoning, because a step does not panic.
pub(crate) struct Lock<T: ?Sized> {
    /// The lock in the model. It is created when it is first taken, because loom's constructor is not `const`.
    turn: OnceLock<loom::sync::Mutex<()>>,
    /// It is free for the thread that holds `turn`.
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
        // A failed model unwinds without taking `turn`.
        let going = !std::thread::panicking();
        let _turn = going.then(|| self.turn.get_or_init(loom::sync::Mutex::default).lock());
        step(&mut self.content.try_lock().expect("no step takes a lock that it has"))
    }
}

/// A lock that may be held for a call of the operating system. A model makes none.
pub(crate) use Lock as SleepLock;

impl<T: ?Sized> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

/// A value that is initialized once, and read without a lock afterwards. Only one thread at a time may initialize it.
pub(crate) struct Once<T> {
    value: OnceLock<T>,
    /// Whether the value is initialized, as far as the reading thread can see.
    made: AtomicBool,
}

impl<T> Once<T> {
    pub(crate) fn new() -> Self {
        Self { value: OnceLock::new(), made: AtomicBool::new(false) }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        // A failed model unwinds without asking loom.
        let made = std::thread::panicking() || self.made.load(Ordering::Acquire);
        self.value.get().filter(|_| made)
    }

    pub(crate) fn call_once(&self, make: impl FnOnce() -> T) -> &T {
        // It does not load `made`: of the threads that loaded it, loom knows only the last one when it is stored.
        if self.value.get().is_none() {
            assert!(self.value.set(make()).is_ok(), "only one thread makes it");
            self.made.store(true, Ordering::Release);
        }
        self.value.get().expect("it was made")
    }
}

/// The parts of `std::thread` that waiting uses.
pub(crate) mod thread {
    #[cfg(feature = "sim")]
    pub(crate) use loom::thread::ThreadId;
    pub(crate) use loom::thread::{Thread, current, park};

    pub(crate) fn park_timeout(_: core::time::Duration) {
        unreachable!("in a model, no time is left");
    }
}
