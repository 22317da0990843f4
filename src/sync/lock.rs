//! The only lock of the core and of pipenet: the operating system's TCP has locks of the standard library.
//!
//! It is closure-shaped, so that a critical section can stand in for it, and it is never held while user code runs:
//! wakers are cloned before it and woken after it, and what a user could have an opinion about is dropped outside.

use core::fmt;

/// What is read without a lock.
#[cfg(feature = "alloc")]
pub(crate) use core::sync::atomic::{AtomicBool, AtomicU32};
/// What is made once, and read without a lock from then on.
#[cfg(feature = "alloc")]
pub(crate) use spin::once::Once;
/// What threads wait with.
#[cfg(feature = "std")]
pub(crate) use std::{sync::atomic::AtomicU8, thread};

#[cfg(any(feature = "std", not(feature = "critical-section")))]
type Raw<T> = spin::mutex::SpinMutex<T>;
#[cfg(all(feature = "critical-section", not(feature = "std")))]
type Raw<T> = mutex::BlockingMutex<mutex::raw_impls::cs::CriticalSectionRawMutex, T>;

/// A lock held for one bounded step. It knows no poison: a step does not panic.
///
/// With threads it spins, and gives way when that takes long. Without, it is a critical section with the feature
/// `critical-section`, so that interrupts may take it, too.
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

    /// Without threads, there is one of it rather than one in each step: that counts where memory is small.
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

impl<T: ?Sized> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

#[cfg(all(feature = "critical-section", not(feature = "std")))]
#[cold]
#[inline(never)]
fn taken_twice() -> ! {
    // Otherwise the linker's optimizer makes one function of this and of other ends of a program, under any of their names.
    core::hint::black_box(());
    unreachable!("no step takes a lock that it has, and nobody else can meanwhile")
}

/// Spends a moment until the lock may be free: a step takes well under a microsecond, unless its thread lost the CPU.
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
