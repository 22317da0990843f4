//! In-process networks of a fixed size, which can be statics and need no heap.
//!
//! Everything that changes lies in one [`Memory`], all zeros at first; [`fixed!`](crate::fixed) makes it and the
//! network.

use super::memory::{FixedLink, FixedPipes, PipePool, PipeSlots};
use super::{PREFIX, Pipenet, Pipes, Ram};
use crate::addr::name::NetworkName;
use crate::net::subnet::Options;
use crate::table::{Fixed, FixedMemory};
use crate::wait::ClockSlot;
#[cfg(feature = "sim")]
use crate::wait::clock::TimeSource;

/// The subnetwork of a [`Network`].
pub type SubNetwork<'m> = crate::net::subnet::SubNetwork<Pipes<FixedPipes<'m>>, Ram<Tables<'m>>, Tables<'m>>;
/// How hosts, listeners and connections reach their [`Network`], which need not be a static.
pub type NetHandle<'n, 'm> = &'n SubNetwork<'m>;
/// A host of a static [`Network`].
pub type Host = crate::net::host::Host<NetHandle<'static, 'static>>;
/// A listener of a static [`Network`].
pub type Listener = crate::net::listener::Listener<NetHandle<'static, 'static>>;
/// A connection of a static [`Network`].
pub type Conn = crate::net::conn::Conn<NetHandle<'static, 'static>>;

type Tables<'m> = Fixed<'m, FixedLink>;

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
pub type Network<'m> = crate::net::shared::Network<Pipenet, SubNetwork<'m>>;

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
        // The macro checks a static where it is declared; all others are checked here.
        const { PipePool::<PIPES, BUFFER>::check() };
        let tables = Fixed::new(&memory.tables);
        let full = match NetworkName::valid(PREFIX, name) {
            Some(full) => full,
            None => NetworkName::EMPTY,
        };
        let pool: &dyn PipeSlots = &memory.pipes;
        let engine =
            Pipes { memory: FixedPipes { pool }, rendezvous: false, reset_unread: true, clock: ClockSlot::EMPTY };
        let registry = Ram::new(tables, full);
        Self::over(SubNetwork::with_options(PREFIX, name, engine, registry, tables, Options::DEFAULT))
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
        let before = core::mem::replace(&mut self.net.engine.clock, ClockSlot::of_static(clock));
        // A constant function drops nothing, and there was no clock or one in a static.
        core::mem::forget(before);
        self
    }

    /// The function that a blocking read or write calls while it waits, where no thread can sleep: by default a pause
    /// of the CPU; better, one that waits for an interrupt. With the feature `std` it is not used.
    #[must_use]
    pub const fn relax(mut self, relax: fn()) -> Self {
        self.net.options.relax = relax;
        self
    }

    /// How many pipes are in use: connections of which an end is held, and dials under way.
    #[must_use]
    pub fn pipes(&self) -> usize {
        self.net.engine.memory.in_use()
    }
}

/// The mutable state of a network: room for `HOSTS` hosts, `PORTS` sockets of all hosts together, `PIPES` connections
/// with `BUFFER` bytes in each direction.
#[derive(Debug)]
pub struct Memory<const HOSTS: usize, const PORTS: usize, const PIPES: usize, const BUFFER: usize> {
    tables: FixedMemory<FixedLink, HOSTS, PORTS>,
    pipes: PipePool<PIPES, BUFFER>,
}

impl<const HOSTS: usize, const PORTS: usize, const PIPES: usize, const BUFFER: usize>
    Memory<HOSTS, PORTS, PIPES, BUFFER>
{
    /// Memory for one network. If one of its numbers is too large, or its buffers have 0 bytes, its network does not
    /// compile.
    #[must_use]
    pub const fn new() -> Self {
        Self { tables: FixedMemory::new(), pipes: PipePool::new() }
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
