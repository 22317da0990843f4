//! The only lock of the core and of pipenet. The operating system's TCP uses locks of the standard library.
//!
//! Invariant: no user code runs while the lock is held. Wakers are cloned before it is taken and woken after it is
//! released, and values whose `drop` may be user code are dropped outside. This guards against a waker that calls back
//! into the network and spins on a lock that its own thread holds: without it,
//! `a_waker_may_call_back_into_the_network_when_woken_cloned_or_dropped` hangs. A step is a closure, so that a critical
//! section can replace the lock.

use core::fmt;

#[cfg(all(feature = "alloc", feature = "trace"))]
pub(crate) use core::sync::atomic::AtomicUsize;
/// Atomics that are read without a lock.
#[cfg(feature = "alloc")]
pub(crate) use core::sync::atomic::{AtomicBool, AtomicU32};
/// A value that is initialized once, and read without a lock afterwards.
#[cfg(feature = "alloc")]
pub(crate) use spin::once::Once;
/// A value of each thread.
#[cfg(all(feature = "std", feature = "sim"))]
pub(crate) use std::thread_local;
/// The means by which threads wait.
#[cfg(feature = "std")]
pub(crate) use std::{sync::atomic::AtomicU8, thread};

#[cfg(any(feature = "std", not(feature = "critical-section")))]
type Raw<T> = spin::mutex::SpinMutex<T>;
#[cfg(all(feature = "critical-section", not(feature = "std")))]
type Raw<T> = mutex::BlockingMutex<mutex::raw_impls::cs::CriticalSectionRawMutex, T>;

/// A lock held for one bounded step. It has no poisoning, because a step does not panic.
///
/// With `std` it spins, and yields the CPU if that takes long. Without `std`, the feature `critical-section` makes it a
/// critical section, so that interrupts may take it too.
pub(crate) struct Lock<T: ?Sized>(Raw<T>);

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Raw::new(value))
    }
}

impl<T: ?Sized> Lock<T> {
    /// Runs one step on the content.
    #[cfg(any(feature = "std", not(feature = "critical-section")))]
    #[inline]
    pub(crate) fn with<R>(&self, step: impl FnOnce(&mut T) -> R) -> R {
        step(&mut self.lock())
    }

    /// Without `std` it is not inlined into each step, because code size matters where memory is small.
    #[cfg(any(feature = "std", not(feature = "critical-section")))]
    #[cfg_attr(feature = "std", inline)]
    #[cfg_attr(not(feature = "std"), inline(never))]
    fn lock(&self) -> spin::mutex::SpinMutexGuard<'_, T> {
        let mut attempts = 0;
        loop {
            match self.0.try_lock() {
                Some(content) => return content,
                None => give_way(&mut attempts),
            }
        }
    }

    /// Runs one step on the content.
    #[cfg(all(feature = "critical-section", not(feature = "std")))]
    pub(crate) fn with<R>(&self, step: impl FnOnce(&mut T) -> R) -> R {
        self.0.try_with_lock(step).unwrap_or_else(|| taken_twice())
    }
}

/// A lock that may be held for a call of the operating system: waiting threads sleep. A panic does not poison it.
#[cfg(feature = "lonet")]
pub(crate) struct SleepLock<T>(std::sync::Mutex<T>);

#[cfg(feature = "lonet")]
impl<T> SleepLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    /// Runs one step on the content.
    #[inline]
    pub(crate) fn with<R>(&self, step: impl FnOnce(&mut T) -> R) -> R {
        step(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl<T: ?Sized> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

#[cfg(all(feature = "critical-section", not(feature = "std")))]
#[cold]
#[inline(never)]
fn taken_twice() -> ! {
    // Without it, the linker merges this function with other diverging functions, under the name of any of them.
    core::hint::black_box(());
    unreachable!("no step takes a lock that it has, and nobody else can meanwhile")
}

/// Waits a moment for the lock: a step takes well under a microsecond, unless its thread was preempted.
#[cfg(any(feature = "std", not(feature = "critical-section")))]
#[cold]
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
