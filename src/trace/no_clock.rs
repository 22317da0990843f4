//! The clock of the networks that a trace records, without the feature `sim`: there is none.

#[cfg(feature = "std")]
use core::future::Pending;
#[cfg(feature = "std")]
use core::task::Waker;
use core::time::Duration;

/// The clock of the first network that has one: none.
pub(super) struct NetworkClock;

#[cfg(feature = "std")]
pub(super) type Passing = Pending<()>;
#[cfg(feature = "std")]
pub(super) type Stuck = Pending<()>;

impl NetworkClock {
    pub(super) fn new() -> Self {
        Self
    }

    pub(super) fn now(&self) -> Option<Duration> {
        None
    }

    #[cfg(feature = "std")]
    pub(super) fn pass(&self, _: Duration) -> Option<Passing> {
        None
    }

    #[cfg(feature = "std")]
    pub(super) fn when_stuck(&self, _: &Waker) -> Option<Stuck> {
        None
    }

    #[cfg(feature = "std")]
    pub(super) fn stuck(&self) -> Option<Stuck> {
        None
    }
}
