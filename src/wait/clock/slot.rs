//! The clocks of networks and operations.

#[cfg(feature = "alloc")]
use alloc::sync::Weak;

use crate::wait::clock::handle::Clock;
#[cfg(feature = "alloc")]
use crate::wait::clock::member::Member;
#[cfg(feature = "pipenet")]
use crate::wait::clock::source::TimeSource;

/// The clock of a network or an operation, if it has one.
#[derive(Clone, Debug)]
#[cfg_attr(not(any(feature = "pipenet", feature = "std")), allow(dead_code, reason = "nothing has a clock then"))]
pub(crate) struct ClockSlot(Option<Clock>);

#[cfg_attr(not(any(feature = "pipenet", feature = "std")), allow(dead_code, reason = "nothing has a clock then"))]
impl ClockSlot {
    pub(crate) const EMPTY: Self = Self(None);

    #[cfg(feature = "pipenet")]
    pub(crate) const fn of_static(source: &'static dyn TimeSource) -> Self {
        Self(Some(Clock::of_static(source)))
    }

    #[cfg(all(feature = "alloc", feature = "pipenet"))]
    pub(crate) fn new(clock: Clock) -> Self {
        Self(Some(clock))
    }

    pub(crate) fn get(&self) -> NetClock<'_> {
        NetClock(self.0.as_ref())
    }
}

/// A reference to the clock of a network or an operation, if it has one.
#[derive(Clone, Copy)]
pub(crate) struct NetClock<'a>(pub(crate) Option<&'a Clock>);

impl NetClock<'_> {
    pub(crate) fn to_slot(self) -> ClockSlot {
        ClockSlot(self.0.cloned())
    }

    /// Tells the clock of a network that it is that network's.
    #[cfg(feature = "alloc")]
    pub(crate) fn attach<M: Member + 'static>(self, network: impl FnOnce() -> Weak<M>) {
        if let Some(clock) = self.0 {
            clock.attach(network());
        }
    }
}
