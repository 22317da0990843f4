//! Clocks that the program advances.

use core::fmt;
use core::task::Waker;
use core::time::Duration;

use crate::sync::Lock;
use crate::wait::clock::error::ClockError;
use crate::wait::clock::queue::{FixedTimers, Timers};
use crate::wait::clock::source::{TimeSource, Timer};
use crate::wait::clock::time::{Class, Time};
use crate::wait::waker::{discard, wake};

/// A clock in a static, which needs no heap and moves only when it is advanced. It has room for `N` timers, 8 by
/// default.
///
/// A network has one timer, and each sleep and each timeout has one. If there is no room for another, the timers that
/// are due first are kept. The task of any other timer is woken early, to register again: that costs time instead of
/// memory.
///
/// # Examples
///
/// ```
/// use std::pin::pin;
/// use std::time::Duration;
/// use virtnet::clock::{ManualClock, Time};
///
/// static CLOCK: ManualClock = ManualClock::new();
///
/// let mut sleep = pin!(CLOCK.sleep(Duration::from_millis(5)));
/// assert!(sleep.as_mut().try_wait().is_none());
/// CLOCK.advance(Duration::from_millis(5));
/// assert!(sleep.try_wait().is_some());
/// assert_eq!(CLOCK.now(), Time::from_nanos(5_000_000));
/// ```
pub struct ManualClock<const N: usize = 8>(Manual<FixedTimers<N>>);

impl<const N: usize> ManualClock<N> {
    /// A clock at [`Time::ZERO`].
    #[must_use]
    #[allow(clippy::new_without_default, reason = "a clock in a static is made by a constant function")]
    pub const fn new() -> Self {
        Self(Manual::new(FixedTimers::new()))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.0.now()
    }

    /// Moves the time by `by`. Stops at each deadline on the way, in order, and wakes its task, which runs when its
    /// executor or thread gets to it. What another thread registers meanwhile may be due already: to run tasks at
    /// exactly their deadlines, call [`advance_to_next`](ManualClock::advance_to_next) and let them run, in turn.
    pub fn advance(&self, by: Duration) {
        self.0.advance(self.now() + by);
    }

    /// Moves the time to the next deadline, and wakes all tasks that wait for it. Returns whether there was one.
    pub fn advance_to_next(&self) -> bool {
        let next = self.next();
        next.into_iter().for_each(|next| self.0.advance(next));
        next.is_some()
    }

    /// The next deadline.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        self.0.registered().1
    }

    /// The number of registered timers.
    #[must_use]
    pub fn timers(&self) -> usize {
        self.0.registered().0
    }
}

impl<const N: usize> TimeSource for ManualClock<N> {
    fn now(&self) -> Time {
        self.0.now()
    }

    fn wake_at(&self, at: Time, class: Class, waker: Waker) -> Timer {
        self.0.wake_at(at, class, waker)
    }

    fn forget(&self, timer: Timer) -> bool {
        self.0.forget(timer)
    }

    fn advance_to(&self, to: Time) -> Result<(), ClockError> {
        self.0.advance_to(to)
    }

    fn pending(&self) -> Result<(usize, Option<Time>), ClockError> {
        self.0.pending()
    }
}

impl<const N: usize> fmt::Debug for ManualClock<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManualClock({})", self.now())
    }
}

/// A time that is advanced, and timers. Each deadline is one step under the lock, and its waker is woken after it.
pub(super) struct Manual<Q>(Lock<State<Q>>);

struct State<Q> {
    now: Time,
    /// The number of the last timer.
    made: u64,
    timers: Q,
}

impl<Q> Manual<Q> {
    pub(super) const fn new(timers: Q) -> Self {
        Self(Lock::new(State { now: Time::ZERO, made: 0, timers }))
    }
}

impl<Q: Timers> Manual<Q> {
    /// Moves the time to `to`, and wakes one task after the other on the way.
    fn advance(&self, to: Time) {
        while let Some(waker) = self.0.with(|state| state.take_due(to)) {
            wake(waker);
        }
    }

    /// The number of registered timers, and the earliest deadline.
    fn registered(&self) -> (usize, Option<Time>) {
        self.0.with(|state| (state.timers.count(), state.timers.first().map(Timer::at)))
    }
}

impl<Q: Timers + Send> TimeSource for Manual<Q> {
    fn now(&self) -> Time {
        self.0.with(|state| state.now)
    }

    fn wake_at(&self, at: Time, class: Class, waker: Waker) -> Timer {
        let (timer, early) = self.0.with(|state| {
            state.made += 1;
            let timer = Timer::new(at, class, state.made);
            let is_due = at <= state.now;
            (timer, if is_due { Some(waker) } else { state.timers.insert(timer, waker) })
        });
        early.into_iter().for_each(wake);
        timer
    }

    fn forget(&self, timer: Timer) -> bool {
        let waker = self.0.with(|state| state.timers.remove(timer));
        waker.map(discard).is_some()
    }

    fn advance_to(&self, to: Time) -> Result<(), ClockError> {
        self.advance(to);
        Ok(())
    }

    fn pending(&self) -> Result<(usize, Option<Time>), ClockError> {
        Ok(self.registered())
    }
}

impl<Q: Timers> State<Q> {
    /// Moves the time to the first timer, if that is due at `to` or earlier, and takes it; else to `to`.
    fn take_due(&mut self, to: Time) -> Option<Waker> {
        let due = self.timers.first().filter(|timer| timer.at() <= to);
        self.now = self.now.max(due.map_or(to, Timer::at));
        self.timers.remove(due?)
    }
}
