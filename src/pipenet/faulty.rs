//! Networks of a fixed size with faults.

use super::fixed::{Faulty, Memory, Network, TracedFaulty};
use crate::sim::FixedFaults;
use crate::trace::Recorder;

impl Network<'static, Faulty> {
    /// As [`Network::new`], with faults, whose clock the network follows.
    #[must_use]
    pub const fn faulty<
        const HOSTS: usize,
        const PORTS: usize,
        const PIPES: usize,
        const BUFFER: usize,
        const N: usize,
    >(
        name: &str,
        memory: &'static Memory<HOSTS, PORTS, PIPES, BUFFER, Faulty>,
        faults: &'static FixedFaults<N>,
    ) -> Self {
        Self::of(name, &memory.tables, memory.faulty(faults))
    }

    /// As [`Builder::reset_unread`](super::Builder::reset_unread).
    #[must_use]
    pub const fn reset_unread(mut self, on: bool) -> Self {
        self.net.engine.inner_mut().reset_unread = on;
        self
    }

    /// How many pipes are in use: connections of which an end is held, and dials under way.
    #[must_use]
    pub fn pipes(&self) -> usize {
        self.net.engine.inner().memory.in_use()
    }
}

impl Network<'static, TracedFaulty> {
    /// As [`Network::faulty`], with a trace, as [`Network::traced`].
    #[must_use]
    pub const fn traced_faulty<
        const HOSTS: usize,
        const PORTS: usize,
        const PIPES: usize,
        const BUFFER: usize,
        const N: usize,
    >(
        name: &str,
        memory: &'static Memory<HOSTS, PORTS, PIPES, BUFFER, TracedFaulty>,
        observer: Recorder,
        faults: &'static FixedFaults<N>,
    ) -> Self {
        Self::of(name, &memory.tables, crate::trace::Traced::new(memory.faulty(faults), observer))
    }

    /// As [`Builder::reset_unread`](super::Builder::reset_unread).
    #[must_use]
    pub const fn reset_unread(mut self, on: bool) -> Self {
        self.net.engine.inner_mut().inner_mut().reset_unread = on;
        self
    }

    /// How many pipes are in use: connections of which an end is held, and dials under way.
    #[must_use]
    pub fn pipes(&self) -> usize {
        self.net.engine.inner().inner().memory.in_use()
    }
}

impl<
    const HOSTS: usize,
    const PORTS: usize,
    const PIPES: usize,
    const BUFFER: usize,
    E: crate::contract::engine::Engine,
> Memory<HOSTS, PORTS, PIPES, BUFFER, E>
{
    const fn faulty<const N: usize>(&'static self, faults: &'static FixedFaults<N>) -> Faulty {
        let mut engine = self.engine();
        engine.set_clock(faults.time());
        Faulty::new(engine, faults)
    }
}
