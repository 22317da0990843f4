//! Networks of a fixed size whose events an observer in a static is told.

use super::fixed::{Memory, Network, Traced};
use crate::trace::Recorder;
#[cfg(feature = "sim")]
use crate::wait::clock::TimeSource;

impl Network<'static, Traced> {
    /// As [`Network::new`], with a trace: `observer` is told the events, such as an [`EventRing`](crate::trace::EventRing).
    #[must_use]
    pub const fn traced<const HOSTS: usize, const PORTS: usize, const PIPES: usize, const BUFFER: usize>(
        name: &str,
        memory: &'static Memory<HOSTS, PORTS, PIPES, BUFFER, Traced>,
        observer: Recorder,
    ) -> Self {
        Self::of(name, &memory.tables, crate::trace::Traced::new(memory.engine(), observer))
    }

    /// As [`Builder::rendezvous`](super::Builder::rendezvous).
    #[must_use]
    pub const fn rendezvous(mut self, on: bool) -> Self {
        self.net.engine.inner_mut().rendezvous = on;
        self
    }

    /// As [`Builder::reset_unread`](super::Builder::reset_unread).
    #[must_use]
    pub const fn reset_unread(mut self, on: bool) -> Self {
        self.net.engine.inner_mut().reset_unread = on;
        self
    }

    /// As [`Network::with_clock`] of a network without a trace.
    #[cfg(feature = "sim")]
    #[must_use]
    pub const fn with_clock(mut self, clock: &'static dyn TimeSource) -> Self {
        self.net.engine.inner_mut().set_clock(clock);
        self
    }

    /// How many pipes are in use: connections of which an end is held, and dials under way.
    #[must_use]
    pub fn pipes(&self) -> usize {
        self.net.engine.inner().memory.in_use()
    }
}
