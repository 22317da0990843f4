//! The growable clock that the program advances.

use alloc::collections::BTreeMap;
use core::task::Waker;

use crate::wait::clock::error::ClockError;
use crate::wait::clock::handle::Clock;
use crate::wait::clock::manual::Manual;
use crate::wait::clock::queue::HeapTimers;
use crate::wait::clock::source::{TimeSource, Timer};
use crate::wait::clock::time::{Class, Time};

impl Clock {
    /// A clock that moves only when it is [advanced](Clock::advance), with any number of timers.
    #[must_use]
    pub fn manual() -> Self {
        Self::of(HeapClock(Manual::new(BTreeMap::new())))
    }
}

struct HeapClock(Manual<HeapTimers>);

impl TimeSource for HeapClock {
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
        self.0.advance(to);
        Ok(())
    }

    fn pending(&self) -> Result<(usize, Option<Time>), ClockError> {
        Ok(self.0.pending())
    }
}
