//! Where a subnetwork keeps its hosts and sockets: tables of a fixed size, or such that grow.
//!
//! The core reaches both through the traits here, one lock step at a time. A *directory* is what the hosts of a
//! subnetwork share, and who they are; *ports* are the sockets of one host.

use core::fmt;

use crate::cause::Cause;
use crate::close::Failures;
use crate::name::HostName;
use crate::waker::Wakers;

#[cfg(feature = "alloc")]
mod bitmap;
mod fixed;
#[cfg(feature = "alloc")]
mod heap;
#[cfg(feature = "alloc")]
mod list;
mod queue;
#[cfg(feature = "alloc")]
mod sockets;

pub use fixed::{Fixed, FixedDirectory, FixedHosts, FixedMemory, FixedPorts};
#[cfg(feature = "alloc")]
pub use heap::{Heap, HeapDirectory, HeapHosts, HeapPorts};
pub(crate) use queue::{Delivery, acknowledge, drop_request, enqueue, next_delivery, queue, refuse_next};

/// The tables of a subnetwork, whatever their kind.
///
/// Sealed in effect: what it takes to write one is not public.
pub trait Tables: Send + Sync {
    /// The engine's end of a connection, kept with its socket.
    type Link: Clone + Send + Sync;
    /// Those who wait for one thing.
    type Wakers: Layout;
    /// A reference to one host of the subnetwork.
    type Host: Clone + PartialEq + Send + Sync;
    /// The place of one socket among those of its host.
    type Slot: Copy + Into<u32> + Send + Sync;
    /// Who the hosts of the subnetwork are.
    type Hosts<'a>: Hosts<Host = Self::Host>
    where
        Self: 'a;
    /// What the hosts of the subnetwork share, under lock.
    type Directory<'a>: Directory<Hosts = Self::Hosts<'a>, Wakers = Self::Wakers>
    where
        Self: 'a;
    /// The sockets of one host, under lock.
    type Ports<'a>: Ports<Link = Self::Link, Wakers = Self::Wakers>
    where
        Self: 'a;

    /// Takes a look at who the hosts are. There may be more of them meanwhile.
    fn hosts<R>(&self, look: impl FnOnce(&Self::Hosts<'_>) -> R) -> R;

    /// Takes a step on what the hosts share.
    fn directory<R>(&self, step: impl FnOnce(&mut Self::Directory<'_>) -> R) -> R;

    /// Takes a step on the sockets of one host.
    fn ports<R>(&self, host: &Self::Host, step: impl FnOnce(&mut Self::Ports<'_>) -> R) -> R;

    /// The host's number in the directory.
    fn id(&self, host: &Self::Host) -> u32;

    /// The place that has this number, which its table gave out.
    fn slot(number: u32) -> Self::Slot;

    /// The host's name.
    fn name(&self, host: &Self::Host) -> HostName {
        let id = self.id(host);
        self.hosts(|hosts| hosts.name(id))
    }

    /// The number that goes with `name`, a new one if it comes up for the first time.
    ///
    /// # Errors
    ///
    /// `host table is full`.
    fn intern(&self, name: &HostName) -> Result<u32, Cause> {
        self.directory(|directory| directory.intern(name))
    }
}

/// Who the hosts of a subnetwork are. They are numbered from 0 in the order in which their names came up; numbers and
/// names stay.
pub trait Hosts {
    /// A reference to one host of the subnetwork.
    type Host;

    /// The number that goes with `name`, if it came up before.
    fn find(&self, name: &[u8]) -> Option<u32>;

    /// The name that goes with a number.
    fn name(&self, id: u32) -> HostName;

    /// How many numbers there are.
    fn count(&self) -> u32;

    /// What is known of the host with that number.
    fn flags(&self, id: u32) -> Option<HostFlags>;

    /// The host with that number, if it is one of the subnetwork's own.
    fn host(&self, id: u32) -> Option<Self::Host>;

    /// What was closed.
    fn closed(&self) -> Closed;
}

/// What the hosts of a subnetwork share.
pub trait Directory {
    /// Who they are.
    type Hosts: Hosts;
    /// Those who wait for one thing.
    type Wakers;

    /// Who the hosts are.
    fn hosts(&self) -> &Self::Hosts;

    /// The state of the network.
    fn network(&mut self) -> &mut NetworkState<Self::Wakers>;

    /// Whether there is room for `name`.
    ///
    /// # Errors
    ///
    /// `host table is full`.
    fn room(&self, name: &HostName) -> Result<(), Cause>;

    /// The number that goes with `name`, a new one if it comes up for the first time.
    ///
    /// # Errors
    ///
    /// `host table is full`.
    fn intern(&mut self, name: &HostName) -> Result<u32, Cause>;

    /// Says what is known of the host with that number.
    fn set_flags(&mut self, id: u32, flags: HostFlags);

    /// Says what was closed.
    fn set_closed(&mut self, closed: Closed);
}

/// What is known of a name.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostFlags {
    /// It was announced to the registry that is a view of this table.
    pub announced: bool,
    /// It is the name of a host of this subnetwork.
    pub own: bool,
}

/// What of a network was closed.
#[derive(Clone, Copy, Debug)]
pub struct Closed {
    /// The network was closed, or has failed.
    pub network: bool,
    /// The registry that is a view of this table was closed.
    pub registry: bool,
}

impl Closed {
    const OPEN: Self = Self { network: false, registry: false };
}

/// The state of a network.
#[derive(Debug)]
pub struct NetworkState<W> {
    /// To be closed with its last open host.
    pub auto_close: bool,
    /// How far engine and registry are closed.
    pub closing: Closing,
    /// How many hosts are open.
    pub open_hosts: u32,
    /// Why it failed, what the engine and what the registry said to being closed.
    pub(crate) failures: Failures,
    /// Those who wait for somebody else's close.
    pub closers: W,
}

impl<W> NetworkState<W> {
    pub(crate) const fn new(closers: W) -> Self {
        Self { auto_close: false, closing: Closing::NotYet, open_hosts: 0, failures: Failures::NONE, closers }
    }
}

/// How far engine and registry are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// Nobody is at it.
    NotYet,
    /// The engine is closed; the registry is not, and nobody is at it.
    EngineDone,
    /// Somebody is at it.
    Running,
    /// Both are.
    Done,
}

/// The sockets of one host. A slot belongs to whoever holds it; one that is not in use is never named.
pub trait Ports {
    /// The engine's end of a connection.
    type Link;
    /// Those who wait for one thing.
    type Wakers: Layout;

    /// Whether the host is open, as it is at first.
    fn is_open(&self) -> bool;

    /// Closes the host; says whether it was open.
    fn close(&mut self) -> bool;

    /// Puts a socket into a free slot, at the port asked for.
    ///
    /// # Errors
    ///
    /// `address already in use`, or a full table.
    fn insert(&mut self, bind: Bind, state: State<Self::Link, Self::Wakers>) -> Result<u32, Cause>;

    /// Gives a socket without a port one.
    ///
    /// # Errors
    ///
    /// `port table is full`.
    fn bind(&mut self, slot: u32, bind: Bind) -> Result<(), Cause>;

    /// The socket in a slot.
    fn socket(&mut self, slot: u32) -> Option<&mut Socket<Self::Link, Self::Wakers>>;

    /// Gives the socket's port back, if it still has it. The socket goes on knowing its number.
    fn unbind(&mut self, slot: u32);

    /// Takes a socket out, with its port; gives what it was.
    fn remove(&mut self, slot: u32) -> Option<State<Self::Link, Self::Wakers>>;

    /// The listener at a port.
    fn listener(&self, port: u16) -> Option<u32>;

    /// How many sockets there are.
    fn count(&self) -> u32;

    /// How many there may be.
    fn capacity(&self) -> u32;

    /// The first slot in use, from `slot` on.
    fn next(&self, slot: u32) -> Option<u32>;
}

/// Which port a socket gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bind {
    /// None yet.
    None,
    /// The lowest free one, from 1.
    Lowest,
    /// This one, if no other socket has it but accepted connections that share it.
    Exact(u16),
    /// This one, which its listener has and other accepted connections may.
    Shared(u16),
}

/// How the sockets of a kind of tables are laid out in memory; `Self` is those who wait for one thing there.
pub trait Layout: Wakers {
    /// Where a value is that few sockets have: in their rows, or apart from them, so that all rows are small.
    type Rare<T>: Rare<T>;
    /// The task of a dial.
    type Dial: Wakers;
}

/// A value, or what it can be taken out of.
pub trait Rare<T>: From<T> {
    /// The value.
    fn value(&self) -> &T;

    /// The value.
    fn value_mut(&mut self) -> &mut T;

    /// The value.
    fn into_value(self) -> T;
}

impl<T> Rare<T> for T {
    fn value(&self) -> &T {
        self
    }

    fn value_mut(&mut self) -> &mut T {
        self
    }

    fn into_value(self) -> T {
        self
    }
}

/// A socket of a host.
pub struct Socket<L, W: Layout> {
    /// Its port; 0 before it has one. Known also after it was given back.
    pub port: u16,
    /// Whether it holds that port.
    pub bound: bool,
    /// Whether it shares that port with the listener that accepted it.
    pub shared: bool,
    /// How many listeners, connections or halves of one refer to it.
    pub handles: u8,
    /// Whether the backend that handed it over is not done with it yet. With neither this nor handles, and outside a
    /// queue, a socket is removed.
    pub awaited: bool,
    /// The other end, for connections and requests.
    pub peer: Peer,
    /// What it is.
    pub state: State<L, W>,
}

impl<L, W: Layout> Socket<L, W> {
    pub(crate) const fn new(state: State<L, W>) -> Self {
        Self {
            port: 0,
            bound: false,
            shared: false,
            handles: 1,
            awaited: false,
            peer: Peer { host: 0, port: 0 },
            state,
        }
    }
}

impl<L, W: Layout> fmt::Debug for Socket<L, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.port)
    }
}

/// The other end of a connection: the number of its host and its port. Six bytes, as there is one in every row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, packed(2))]
pub struct Peer {
    /// The host's number in the directory.
    pub host: u32,
    /// The port.
    pub port: u16,
}

/// What a socket is.
pub enum State<L, W: Layout> {
    /// Nothing: an unused row.
    Free,
    /// The source of a dial under way. Its task is woken when the host closes.
    Dialling(W::Dial),
    /// A listener.
    Listener(W::Rare<Queue<W>>),
    /// A connection that came in and waits at a listener.
    Request(W::Rare<Request<L, W>>),
    /// A connection.
    Connected(L),
    /// A listener or connection that is closed and still has a handle.
    Closed,
}

impl<L, W: Layout> fmt::Debug for State<L, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

impl<L, W: Layout> State<L, W> {
    /// Drops it, and those who wait for it unwoken. To be called outside of any lock.
    pub(crate) fn discard(self) {
        match self {
            Self::Dialling(wakers) => wakers.discard(),
            Self::Listener(queue) => queue.into_value().acceptors.discard(),
            Self::Request(request) => request.into_value().backend.discard(),
            Self::Free | Self::Connected(_) | Self::Closed => {}
        }
    }
}

/// The queue of a listener: requests in the order in which they came in, linked through their slots.
#[derive(Debug)]
pub struct Queue<W> {
    pub(crate) head: U24,
    pub(crate) tail: U24,
    /// Requests in the queue.
    pub(crate) len: U24,
    /// How many of them are claimed.
    pub(crate) claimed: U24,
    /// Those who wait for a request.
    pub(crate) acceptors: W,
}

/// A connection that waits at a listener.
#[derive(Debug)]
pub struct Request<L, W> {
    /// The listener's slot.
    pub(crate) listener: U24,
    pub(crate) prev: U24,
    pub(crate) next: U24,
    pub(crate) link: L,
    /// The backend's task that waits for an answer.
    pub(crate) backend: W,
    pub(crate) phase: Phase,
}

/// A slot's number or a count of them, in three bytes, as there are several in every row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct U24([u8; 3]);

impl U24 {
    pub(crate) const ZERO: Self = Self([0; 3]);
    pub(crate) const NIL: Self = Self([0xff; 3]);

    pub(crate) fn new(number: u32) -> Self {
        debug_assert!(number <= NIL, "no table has more sockets");
        let [low, middle, high, _] = number.to_le_bytes();
        Self([low, middle, high])
    }

    pub(crate) fn get(self) -> u32 {
        let [low, middle, high] = self.0;
        u32::from_le_bytes([low, middle, high, 0])
    }
}

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// In the queue; becomes a connection as soon as it is taken.
    Direct,
    /// In the queue; is claimed when it is taken.
    Queued,
    /// In the queue, taken, with a port; waits for its acknowledgement.
    Claimed,
    /// In the queue, acknowledged.
    Ready,
    /// No longer in the queue: nobody listens any more.
    Refused,
    /// No longer in the queue: the host had no port left.
    NoPort,
}

/// No slot. A host has fewer sockets than this, with and without a port.
pub(crate) const NIL: u32 = 0x00ff_ffff;

#[cfg(all(test, feature = "alloc"))]
mod tests;
