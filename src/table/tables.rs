//! What the core asks of tables, one lock step at a time.
//!
//! A *directory* is what the hosts of a subnetwork share, and who they are; *ports* are the sockets of one host.

use super::row::{Peer, Socket, SocketLayout, State};
use crate::addr::name::HostName;
use crate::error::cause::Cause;
use crate::error::close::Failures;

/// The tables of a subnetwork, whatever their kind. Sealed: nobody else can name it.
pub trait Tables: Send + Sync {
    /// The engine's end of a connection, kept with its socket.
    type Link: Clone + Send + Sync;
    /// Those who wait for one thing.
    type Wakers: SocketLayout;
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

    /// Whether the sockets of all hosts are in one table.
    const POOLED: bool;

    /// Takes a look at who the hosts are. There may be more of them meanwhile.
    fn hosts<R>(&self, look: impl FnOnce(&Self::Hosts<'_>) -> R) -> R;

    /// Takes a step on what the hosts share.
    fn directory<R>(&self, step: impl FnOnce(&mut Self::Directory<'_>) -> R) -> R;

    /// Takes a step on the sockets of one host.
    fn ports<R>(&self, host: &Self::Host, step: impl FnOnce(&mut Self::Ports<'_>) -> R) -> R;

    /// Exchanges the port of a dial from `source`, if `target` has that pair already at its port `at`, which connections
    /// share: for the lowest free one that makes a new pair. Gives the port that the dial has then.
    ///
    /// Calls `taken`, under the lock, if it takes another port; `taken` calls nothing.
    ///
    /// All in one step: nobody sees the dial without a port, no other dial gets the pair meanwhile, and the port is the
    /// lowest there is. A pair comes up only by a dial that holds its port: so it stays free from then on.
    ///
    /// # Errors
    ///
    /// `port table is full`; the dial keeps its port.
    fn exchange_port(
        &self,
        source: &Self::Host,
        dial: (u32, u16),
        target: &Self::Host,
        at: u16,
        taken: impl FnOnce(),
    ) -> Result<u16, Cause>;

    /// Whether a task may wait until hosts are idle. A task that finds sockets in use has said so before, by
    /// [`Directory::set_watched`]: the step that removes a socket later comes after it, and then this returns true.
    fn is_watched(&self) -> bool;

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

    /// As [`intern`](Tables::intern), as part of a step on the sockets of a host. A directory's step takes no step on
    /// sockets, so that the two never wait for each other.
    ///
    /// # Errors
    ///
    /// `host table is full`.
    fn intern_within(&self, ports: &mut Self::Ports<'_>, name: &HostName) -> Result<u32, Cause>;
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

    /// Says whether a task waits until hosts are idle.
    fn set_watched(&mut self, watched: bool);
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
    pub(super) const OPEN: Self = Self { network: false, registry: false };
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
    /// The tasks that wait for another task's close, or until hosts are idle.
    pub waiters: W,
}

impl<W> NetworkState<W> {
    pub(crate) const fn new(waiters: W) -> Self {
        Self { auto_close: false, closing: Closing::NotYet, open_hosts: 0, failures: Failures::NONE, waiters }
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
    type Wakers: SocketLayout;

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

    /// Gives a socket without a port one, and for a shared one the peer, which stays as long as it has the port.
    ///
    /// # Errors
    ///
    /// `port table is full`; `address already in use` if another socket has that port and that peer.
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
    /// This one, which its listener has and other accepted connections may, if none of them has this peer.
    Shared(u16, Peer),
}
