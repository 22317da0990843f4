//! The clock of the networks that a trace records.

#[cfg(feature = "std")]
use core::future::Future as _;
#[cfg(feature = "std")]
use core::pin::Pin;
#[cfg(feature = "std")]
use core::task::{Context, Waker};
use core::time::Duration;

use crate::sync::Once;
#[cfg(feature = "std")]
use crate::wait::Op;
#[cfg(feature = "std")]
use crate::wait::clock::Sleep;
#[cfg(feature = "std")]
pub(super) use crate::wait::clock::stuck::Stuck;
use crate::wait::clock::{Clock, Time};

/// The clock of the first network that has one.
pub(super) struct NetworkClock(Once<Clock>);

/// A time that passes on a clock.
#[cfg(feature = "std")]
pub(super) type Passing = Op<Sleep<Clock>>;

impl NetworkClock {
    pub(super) fn new() -> Self {
        Self(Once::new())
    }

    pub(super) fn set(&self, clock: &Clock) {
        self.0.call_once(|| clock.clone());
    }

    /// The time since the start of the clock.
    pub(super) fn now(&self) -> Option<Duration> {
        self.0.get().map(|clock| clock.now() - Time::ZERO)
    }

    /// Ready when this time has passed.
    #[cfg(feature = "std")]
    pub(super) fn pass(&self, time: Duration) -> Option<Passing> {
        self.0.get().map(|clock| clock.sleep(time))
    }

    /// Calls the waker when nothing can happen any more, if the clock can tell, and until what is returned is dropped.
    #[cfg(feature = "std")]
    pub(super) fn when_stuck(&self, waker: &Waker) -> Option<Stuck> {
        let mut stuck = self.stuck()?;
        let is_stuck = Pin::new(&mut stuck).poll(&mut Context::from_waker(waker));
        is_stuck.is_pending().then_some(stuck)
    }

    /// Ready when nothing can happen any more, if the clock can tell.
    #[cfg(feature = "std")]
    pub(super) fn stuck(&self) -> Option<Stuck> {
        self.0.get().and_then(Clock::stuck)
    }
}
