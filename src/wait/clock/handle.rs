//! The handle of a clock.

#[cfg(feature = "alloc")]
use alloc::sync::{Arc, Weak};
use core::fmt;
use core::task::Waker;
use core::time::Duration;

#[cfg(feature = "std")]
use crate::wait::clock::auto::Auto;
use crate::wait::clock::error::ClockError;
#[cfg(feature = "alloc")]
use crate::wait::clock::member::Member;
use crate::wait::clock::source::{TimeSource, Timer};
use crate::wait::clock::time::{Class, Time};

/// A clock, such as that of a network. A cheap handle: clones are the same clock.
///
/// Not each clock can do everything: a [`ClockError`] says which can.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use virtnet::Clock;
///
/// let clock = Clock::manual();
/// clock.advance(Duration::from_millis(10))?;
/// assert_eq!(clock.now().to_string(), "0.010s");
/// # Ok::<(), virtnet::clock::ClockError>(())
/// ```
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    Static(&'static dyn TimeSource),
    #[cfg(feature = "alloc")]
    Shared(Arc<dyn TimeSource>),
    #[cfg(feature = "std")]
    Auto(Arc<Auto>),
}

impl Clock {
    /// A clock that takes its time from `source`.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn of(source: impl TimeSource + 'static) -> Self {
        Self(Source::Shared(Arc::new(source)))
    }

    /// A clock that takes its time from a source in a static, such as a [`ManualClock`](crate::clock::ManualClock).
    #[must_use]
    pub const fn of_static(source: &'static dyn TimeSource) -> Self {
        Self(Source::Static(source))
    }

    fn source(&self) -> &dyn TimeSource {
        match &self.0 {
            Source::Static(source) => *source,
            #[cfg(feature = "alloc")]
            Source::Shared(source) => &**source,
            #[cfg(feature = "std")]
            Source::Auto(auto) => auto,
        }
    }

    /// The clock becomes that of a network.
    #[cfg(feature = "alloc")]
    pub(crate) fn attach(&self, network: Weak<dyn Member>) {
        self.source().attach(network);
    }

    #[cfg(feature = "std")]
    pub(super) fn of_auto(auto: Arc<Auto>) -> Self {
        Self(Source::Auto(auto))
    }

    /// What counts the threads that take part in it, if it counts them.
    #[cfg(feature = "std")]
    pub(crate) fn counting(&self) -> Option<&Arc<Auto>> {
        match &self.0 {
            Source::Auto(auto) => Some(auto),
            _ => None,
        }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.source().now()
    }

    /// Wakes `waker` at `at`; see [`TimeSource::wake_at`].
    pub fn wake_at(&self, at: Time, class: Class, waker: Waker) -> Timer {
        self.source().wake_at(at, class, waker)
    }

    /// Drops a timer. Returns whether it was registered.
    pub fn forget(&self, timer: Timer) -> bool {
        self.source().forget(timer)
    }

    /// Moves the time by `by`. Stops at each deadline on the way, in order, and wakes its task, which runs when its
    /// executor or thread gets to it. What another thread registers meanwhile may be due already: to run tasks at
    /// exactly their deadlines, call [`advance_to_next`](Clock::advance_to_next) and let them run, in turn.
    ///
    /// # Errors
    ///
    /// The clock cannot be advanced.
    pub fn advance(&self, by: Duration) -> Result<(), ClockError> {
        self.source().advance_to(self.now() + by)
    }

    /// Moves the time to the next deadline, and wakes all tasks that wait for it. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// The clock cannot be advanced, or does not tell its timers.
    pub fn advance_to_next(&self) -> Result<bool, ClockError> {
        match self.next()? {
            Some(next) => self.source().advance_to(next).map(|()| true),
            None => Ok(false),
        }
    }

    /// The number of registered timers.
    ///
    /// # Errors
    ///
    /// The clock does not tell its timers.
    pub fn timers(&self) -> Result<usize, ClockError> {
        self.source().pending().map(|(count, _)| count)
    }

    /// The next deadline.
    ///
    /// # Errors
    ///
    /// The clock does not tell its timers.
    pub fn next(&self) -> Result<Option<Time>, ClockError> {
        self.source().pending().map(|(_, next)| next)
    }
}

impl TimeSource for Clock {
    fn now(&self) -> Time {
        self.source().now()
    }

    fn wake_at(&self, at: Time, class: Class, waker: Waker) -> Timer {
        self.source().wake_at(at, class, waker)
    }

    fn forget(&self, timer: Timer) -> bool {
        self.source().forget(timer)
    }

    fn batches(&self) -> bool {
        self.source().batches()
    }

    fn advance_to(&self, to: Time) -> Result<(), ClockError> {
        self.source().advance_to(to)
    }

    fn pending(&self) -> Result<(usize, Option<Time>), ClockError> {
        self.source().pending()
    }

    #[cfg(feature = "std")]
    fn check_wait(&self) {
        self.source().check_wait();
    }

    #[cfg(feature = "alloc")]
    fn attach(&self, network: Weak<dyn Member>) {
        self.source().attach(network);
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}
