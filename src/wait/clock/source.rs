//! The contract of a clock.

#[cfg(feature = "alloc")]
use alloc::sync::Weak;
use core::task::Waker;

use crate::wait::clock::error::ClockError;
#[cfg(feature = "alloc")]
use crate::wait::clock::member::Member;
use crate::wait::clock::time::{Class, Time};

/// What a [`Clock`](crate::Clock) gets its time from. A clock of another library becomes one of this crate by it.
///
/// Each method may be called from any thread, and several at once, but under no lock of the caller that a waker may
/// take: any of them may wake, clone or drop wakers, and does so under no lock of its own.
///
/// # Examples
///
/// A clock with another start:
///
/// ```
/// use std::task::Waker;
/// use std::time::Duration;
/// use virtnet::Clock;
/// use virtnet::clock::{Class, Time, TimeSource, Timer};
///
/// struct Later(Clock, Duration);
///
/// impl TimeSource for Later {
///     fn now(&self) -> Time {
///         self.0.now() + self.1
///     }
///
///     fn wake_at(&self, at: Time, class: Class, waker: Waker) -> Timer {
///         self.0.wake_at(Time::ZERO + (at - (Time::ZERO + self.1)), class, waker)
///     }
///
///     fn forget(&self, timer: Timer) -> bool {
///         self.0.forget(timer)
///     }
/// }
///
/// let clock = Clock::of(Later(Clock::manual(), Duration::from_secs(1)));
/// assert_eq!(clock.now().to_string(), "1.000s");
/// ```
pub trait TimeSource: Send + Sync {
    /// The time. It never goes back.
    fn now(&self) -> Time;

    /// Wakes `waker` at `at`, once, after all timers that are due earlier or have a smaller key; see [`Timer`]. The
    /// waker may be woken early if the source has no room for the timer: the task then registers again.
    ///
    /// If `at` is not later than the time is now, the waker is woken soon, maybe before this returns.
    fn wake_at(&self, at: Time, class: Class, waker: Waker) -> Timer;

    /// Drops a timer. Returns whether it was registered, so that its waker was not woken and never will be.
    fn forget(&self, timer: Timer) -> bool;

    /// Whether the source wakes all timers of one class that are due at one instant before any of their tasks runs. By
    /// default it does not: it may wake one, and wait until its task waits again.
    fn batches(&self) -> bool {
        false
    }

    /// Moves the time to `to`, unless that has passed. Stops at each deadline on the way, and wakes its task.
    ///
    /// # Errors
    ///
    /// By default, the clock cannot be advanced.
    fn advance_to(&self, to: Time) -> Result<(), ClockError> {
        let _ = to;
        Err(ClockError::Advance)
    }

    /// The number of registered timers, and the earliest deadline.
    ///
    /// # Errors
    ///
    /// By default, the clock does not tell.
    fn pending(&self) -> Result<(usize, Option<Time>), ClockError> {
        Err(ClockError::Timers)
    }

    /// A thread is about to wait for a network with this clock.
    #[cfg(feature = "std")]
    #[doc(hidden)]
    fn check_wait(&self) {}

    /// It becomes the clock of a network.
    #[cfg(feature = "alloc")]
    #[doc(hidden)]
    fn attach(&self, network: Weak<dyn Member>) {
        let _ = network;
    }
}

/// A clock in a static, for one.
impl<S: TimeSource + ?Sized> TimeSource for &S {
    fn now(&self) -> Time {
        S::now(self)
    }

    fn wake_at(&self, at: Time, class: Class, waker: Waker) -> Timer {
        S::wake_at(self, at, class, waker)
    }

    fn forget(&self, timer: Timer) -> bool {
        S::forget(self, timer)
    }

    fn batches(&self) -> bool {
        S::batches(self)
    }

    fn advance_to(&self, to: Time) -> Result<(), ClockError> {
        S::advance_to(self, to)
    }

    fn pending(&self) -> Result<(usize, Option<Time>), ClockError> {
        S::pending(self)
    }

    #[cfg(feature = "std")]
    fn check_wait(&self) {
        S::check_wait(self);
    }

    #[cfg(feature = "alloc")]
    fn attach(&self, network: Weak<dyn Member>) {
        S::attach(self, network);
    }
}

/// The key of a registered timer. Timers fire in the order of their keys: by time, then by class, then by a number that
/// counts the timers of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timer {
    at: Time,
    class: Class,
    number: u64,
}

impl Timer {
    /// A key, made by a [`TimeSource`]: the numbers of its timers are all different.
    #[must_use]
    pub const fn new(at: Time, class: Class, number: u64) -> Self {
        Self { at, class, number }
    }

    /// When the timer is due.
    #[must_use]
    pub const fn at(self) -> Time {
        self.at
    }
}
