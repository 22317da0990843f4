//! In-process networks of a fixed size, which can be statics and need no heap.
//!
//! Everything that changes lies in one [`Memory`], all zeros at first; [`fixed!`](crate::fixed) makes it and the
//! network. The types have the engine of the network as a parameter, by default the one without layers.

use core::fmt;

use super::memory::{FixedPipes, PipePool, PipeSlots};
use super::{PREFIX, Pipenet, Pipes, Ram};
use crate::addr::name::NetworkName;
use crate::contract::engine::Engine;
use crate::net::subnet::Options;
use crate::table::{Fixed, FixedMemory};
use crate::wait::ClockSlot;
#[cfg(feature = "sim")]
use crate::wait::clock::TimeSource;

/// The engine of a [`Network`] without layers.
pub type Plain<'m> = Pipes<FixedPipes<'m>>;
/// The engine of a traced [`Network`].
#[cfg(feature = "trace")]
pub type Traced = crate::trace::Traced<Plain<'static>, crate::trace::Recorder>;
/// The engine of a [`Network`] with faults.
#[cfg(feature = "sim")]
pub type Faulty = crate::sim::FixedFaulty<Plain<'static>>;
/// The engine of a traced [`Network`] with faults.
#[cfg(feature = "sim")]
pub type TracedFaulty = crate::trace::Traced<Faulty, crate::trace::Recorder>;

/// The subnetwork of a [`Network`].
pub type SubNetwork<'m, E = Plain<'m>> = crate::net::subnet::SubNetwork<E, Ram<Tables<'m, E>>, Tables<'m, E>>;
/// How hosts, listeners and connections reach their [`Network`], which need not be a static.
pub type NetHandle<'n, 'm, E = Plain<'m>> = &'n SubNetwork<'m, E>;
/// A host of a static [`Network`].
pub type Host<E = Plain<'static>> = crate::net::host::Host<NetHandle<'static, 'static, E>>;
/// A listener of a static [`Network`].
pub type Listener<E = Plain<'static>> = crate::net::listener::Listener<NetHandle<'static, 'static, E>>;
/// A connection of a static [`Network`].
pub type Conn<E = Plain<'static>> = crate::net::conn::Conn<NetHandle<'static, 'static, E>>;

type Tables<'m, E> = Fixed<'m, <E as Engine>::Link>;

/// An in-process network of a fixed size; see [`fixed!`](crate::fixed).
///
/// A full table or pool is named in the error: `host table is full (2)`, `port table is full (4)`, `pipe pool is full
/// (2)`. A socket takes a place in the port table until its handle is dropped, and so does a dial that waits at a
/// listener. Two tasks can wait for one event; a third evicts the first, which then polls again. All backlogs together
/// hold as many dials as there are pipes. In a rendezvous, three tasks may write to one connection at once: with more,
/// the bytes of a task that polls late for the outcome of its write may be read twice.
///
/// A closed socket's port is free at once, its place in the table when its handle is dropped; a pipe is free when both
/// ends are dropped; a host's place is never free again. [`Host::sockets`](crate::Host::sockets) and [`Network::pipes`]
/// return how many are in use. Memory is for one network: two networks in the same memory are one.
///
/// # Examples
///
/// A network need not be static; its types are then `virtnet::Host<NetHandle<'_, '_>>` and so on, and the aliases here
/// are those of a static:
///
/// ```
/// use virtnet::pipenet::fixed::{Memory, Network};
///
/// let memory = Memory::<2, 4, 2, 64>::new();
/// let net = Network::new("t", &memory);
/// let listener = net.host("a")?.listen(":1")?;
/// # Ok::<(), virtnet::Error>(())
/// ```
pub type Network<'m, E = Plain<'m>> = crate::net::shared::Network<Pipenet, SubNetwork<'m, E>>;

impl<'m> Network<'m> {
    /// A network with the full name `pipe` + `name`, in `memory` that no other network uses.
    ///
    /// If the name makes no valid full name (at most 31 bytes, without brackets and control characters), creating a
    /// host fails with `invalid network name`.
    #[must_use]
    pub const fn new<const HOSTS: usize, const PORTS: usize, const PIPES: usize, const BUFFER: usize>(
        name: &str,
        memory: &'m Memory<HOSTS, PORTS, PIPES, BUFFER>,
    ) -> Self {
        Self::of(name, &memory.tables, memory.engine())
    }

    /// As [`Builder::rendezvous`](super::Builder::rendezvous).
    #[must_use]
    pub const fn rendezvous(mut self, on: bool) -> Self {
        self.net.engine.rendezvous = on;
        self
    }

    /// As [`Builder::reset_unread`](super::Builder::reset_unread).
    #[must_use]
    pub const fn reset_unread(mut self, on: bool) -> Self {
        self.net.engine.reset_unread = on;
        self
    }

    /// As [`Builder::clock`](super::Builder::clock), a clock in a static. Without the feature `std` there are no timeouts.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use virtnet::clock::ManualClock;
    /// use virtnet::pipenet::fixed::Network;
    ///
    /// static CLOCK: ManualClock = ManualClock::new();
    /// static NET: Network<'static> = virtnet::fixed!("t", 2, 4, 2, 64).with_clock(&CLOCK);
    ///
    /// CLOCK.advance(Duration::from_millis(5));
    /// assert_eq!(NET.clock().map(|clock| clock.now()), Some(CLOCK.now()));
    /// ```
    #[cfg(feature = "sim")]
    #[must_use]
    pub const fn with_clock(mut self, clock: &'static dyn TimeSource) -> Self {
        self.net.engine.set_clock(clock);
        self
    }

    /// How many pipes are in use: connections of which an end is held, and dials under way.
    #[must_use]
    pub fn pipes(&self) -> usize {
        self.net.engine.memory.in_use()
    }
}

#[cfg(feature = "sim")]
impl Plain<'_> {
    pub(super) const fn set_clock(&mut self, clock: &'static dyn TimeSource) {
        let before = core::mem::replace(&mut self.clock, ClockSlot::of_static(clock));
        // A constant function drops nothing, and there was no clock or one in a static.
        core::mem::forget(before);
    }
}

impl<'m, E: Engine<Data = &'static str>> Network<'m, E> {
    /// A network whose engine is made, and may have layers around it.
    pub(super) const fn of<const HOSTS: usize, const PORTS: usize>(
        name: &str,
        tables: &'m FixedMemory<E::Link, HOSTS, PORTS>,
        engine: E,
    ) -> Self {
        let tables = Fixed::new(tables);
        let full = match NetworkName::valid(PREFIX, name) {
            Some(full) => full,
            None => NetworkName::EMPTY,
        };
        let registry = Ram::new(tables, full);
        Self::over(SubNetwork::with_options(PREFIX, name, engine, registry, tables, Options::DEFAULT))
    }

    /// As [`Builder::share_port`](super::Builder::share_port).
    #[must_use]
    pub const fn share_port(mut self, on: bool) -> Self {
        self.net.options.share_port = on;
        self
    }

    /// How many dials may wait at one listener before it refuses, 4096 by default. More than there are pipes have no
    /// effect.
    #[must_use]
    pub const fn backlog(mut self, most: u32) -> Self {
        self.net.options.backlog = most;
        self
    }

    /// The function that a blocking read or write calls while it waits, where no thread can sleep: by default a pause
    /// of the CPU; better, one that waits for an interrupt. With the feature `std` it is not used.
    #[must_use]
    pub const fn relax(mut self, relax: fn()) -> Self {
        self.net.options.relax = relax;
        self
    }
}

/// The mutable state of a network: room for `HOSTS` hosts, `PORTS` sockets of all hosts together, `PIPES` connections
/// with `BUFFER` bytes in each direction.
pub struct Memory<
    const HOSTS: usize,
    const PORTS: usize,
    const PIPES: usize,
    const BUFFER: usize,
    E: Engine = Plain<'static>,
> {
    pub(super) tables: FixedMemory<E::Link, HOSTS, PORTS>,
    pipes: PipePool<PIPES, BUFFER>,
}

impl<const HOSTS: usize, const PORTS: usize, const PIPES: usize, const BUFFER: usize>
    Memory<HOSTS, PORTS, PIPES, BUFFER>
{
    /// Memory for one network. If one of its numbers is too large, or its buffers have 0 bytes, its network does not
    /// compile.
    #[must_use]
    pub const fn new() -> Self {
        Self::layered()
    }
}

impl<const HOSTS: usize, const PORTS: usize, const PIPES: usize, const BUFFER: usize, E: Engine>
    Memory<HOSTS, PORTS, PIPES, BUFFER, E>
{
    /// As [`new`](Memory::new), for a network with the engine `E`.
    #[must_use]
    pub const fn layered() -> Self {
        Self { tables: FixedMemory::new(), pipes: PipePool::new() }
    }

    /// The engine over this memory, without layers.
    pub(super) const fn engine(&self) -> Plain<'_> {
        // The macro checks a static where it is declared; all others are checked here.
        const { PipePool::<PIPES, BUFFER>::check() };
        let pool: &dyn PipeSlots = &self.pipes;
        Pipes { memory: FixedPipes { pool }, rendezvous: false, reset_unread: true, clock: ClockSlot::EMPTY }
    }
}

impl<const HOSTS: usize, const PORTS: usize, const PIPES: usize, const BUFFER: usize, E: Engine> fmt::Debug
    for Memory<HOSTS, PORTS, PIPES, BUFFER, E>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

impl<const HOSTS: usize, const PORTS: usize, const PIPES: usize, const BUFFER: usize> Default
    for Memory<HOSTS, PORTS, PIPES, BUFFER>
{
    fn default() -> Self {
        Self::new()
    }
}

/// Never called. It compiles the methods of a network with this crate: programs that are built for size use them as they
/// are, and are smaller than with copies that are inlined in part.
#[doc(hidden)]
pub fn compiled_once(net: &Network<'_>) {
    let _ = (net.host(""), net.new_host(""), net.get_host(""), net.auto_close(), net.close(), net.network_name().len());
}
