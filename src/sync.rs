//! The only lock of this crate.
//!
//! It is closure-shaped, so that a critical section can stand in for it, and it is never held while user code runs:
//! wakers are cloned before it and woken after it, and what a user could have an opinion about is dropped outside.

use core::fmt;

use spin::mutex::SpinMutex;

/// A lock held for one bounded step. It knows no poison: a step does not panic.
pub(crate) struct Lock<T: ?Sized>(SpinMutex<T>);

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(SpinMutex::new(value))
    }
}

impl<T: ?Sized> Lock<T> {
    /// Runs one step on the content.
    pub(crate) fn with<R>(&self, step: impl FnOnce(&mut T) -> R) -> R {
        let mut attempts = 0;
        loop {
            if let Some(mut content) = self.0.try_lock() {
                return step(&mut content);
            }
            give_way(&mut attempts);
        }
    }
}

impl<T: ?Sized> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

/// Spends a moment until the lock may be free: a step takes well under a microsecond, unless its thread lost the CPU.
fn give_way(attempts: &mut u32) {
    *attempts = attempts.saturating_add(1);
    match *attempts {
        #[cfg(feature = "std")]
        100..200 => std::thread::yield_now(),
        #[cfg(feature = "std")]
        200.. => std::thread::sleep(core::time::Duration::from_micros(50)),
        _ => core::hint::spin_loop(),
    }
}
