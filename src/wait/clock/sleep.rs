//! Sleeping on a clock.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use crate::wait::clock::handle::Clock;
use crate::wait::clock::manual::ManualClock;
use crate::wait::clock::source::{TimeSource, Timer};
use crate::wait::clock::time::{Class, Time};
use crate::wait::waker::is_noop;
use crate::wait::{OnTimeout, Op};

impl Clock {
    /// Waits until `length` has passed on this clock, counted from the first poll.
    ///
    /// # Cancel safety
    ///
    /// Dropping the operation leaves no timer.
    pub fn sleep(&self, length: Duration) -> Op<Sleep<Self>> {
        Op::new(Sleep::new(self.clone(), length))
    }
}

impl<const N: usize> ManualClock<N> {
    /// Waits until `length` has passed on this clock, counted from the first poll.
    ///
    /// # Cancel safety
    ///
    /// Dropping the operation leaves no timer.
    pub fn sleep(&self, length: Duration) -> Op<Sleep<&Self>> {
        Op::new(Sleep::new(self, length))
    }
}

/// A sleep on a clock; see [`Clock::sleep`].
pub struct Sleep<C: TimeSource> {
    clock: C,
    length: Duration,
    /// From the first poll on.
    until: Option<Time>,
    timer: Option<Timer>,
}

impl<C: TimeSource> Sleep<C> {
    fn new(clock: C, length: Duration) -> Self {
        Self { clock, length, until: None, timer: None }
    }

    fn forget(&mut self) {
        if let Some(timer) = self.timer.take() {
            self.clock.forget(timer);
        }
    }
}

/// No field is ever pinned.
impl<C: TimeSource> Unpin for Sleep<C> {}

impl<C: TimeSource> Future for Sleep<C> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let now = this.clock.now();
        let until = *this.until.get_or_insert(now + this.length);
        // It ends when its timer fires, not merely when that is due: at that instant, deliveries come first.
        let has_fired = this.timer.take().is_none_or(|timer| !this.clock.forget(timer));
        if has_fired && now >= until {
            return Poll::Ready(());
        }
        // A sleep until the end of time never ends.
        if until < Time::MAX && !is_noop(cx.waker()) {
            this.timer = Some(this.clock.wake_at(until, Class::Timeout, cx.waker().clone()));
        }
        Poll::Pending
    }
}

impl<C: TimeSource> OnTimeout for Sleep<C> {
    fn expire(mut self: Pin<&mut Self>, _: &Waker) {
        self.forget();
    }
}

impl<C: TimeSource> Drop for Sleep<C> {
    fn drop(&mut self) {
        self.forget();
    }
}

impl<C: TimeSource> fmt::Debug for Sleep<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sleep({:?})", self.length)
    }
}
