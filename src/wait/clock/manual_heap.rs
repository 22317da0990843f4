//! The growable clock that the program advances.

use alloc::collections::BTreeMap;

use crate::wait::clock::handle::Clock;
use crate::wait::clock::manual::Manual;

impl Clock {
    /// A clock that moves only when it is [advanced](Clock::advance), with any number of timers.
    #[must_use]
    pub fn manual() -> Self {
        Self::of(Manual::new(BTreeMap::new()))
    }
}
