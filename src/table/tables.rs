//! The operations of the core on tables, each under a lock for one step.
//!
//! A *directory* holds the names of a subnetwork's hosts and the state that they share. *Ports* are the sockets of one
//! host.

use super::row::{Peer, Socket, SocketLayout, State};
use crate::addr::name::HostName;
use crate::error::cause::Cause;
use crate::error::close::Failures;

/// The tables of a subnetwork, of either kind. Sealed: other crates cannot name it.
pub trait Tables: Send + Sync {
    /// The engine's end of a connection, stored with its socket.
    type Link: Clone + Send + Sync;
    /// The wakers registered for one event.
    type Wakers: SocketLayout;
    /// A reference to one host of the subnetwork.
    type Host: Clone + PartialEq + Send + Sync;
    /// The number of a socket's row.
    type Slot: Copy + Into<u32> + Send + Sync;
    /// The names of the hosts.
    type Hosts<'a>: Hosts<Host = Self::Host>
    where
        Self: 'a;
    /// The names of the hosts and the state that they share, under lock.
    type Directory<'a>: Directory<Hosts = Self::Hosts<'a>, Wakers = Self::Wakers>
    where
        Self: 'a;
    /// The sockets of one host, under lock.
    type Ports<'a>: Ports<Link = Self::Link, Wakers = Self::Wakers>
    where
        Self: 'a;

    /// Whether the sockets of all hosts are in one table.
    const POOLED: bool;

    /// Whether the tables grow. Then a name that no host bears may be an IP address or `localhost`, and an error may
    /// have a hint that takes a search.
    const GROWS: bool;

    /// Looks up hosts. More of them may be added meanwhile.
    fn hosts<R>(&self, look: impl FnOnce(&Self::Hosts<'_>) -> R) -> R;

    /// Runs a step on the directory.
    fn directory<R>(&self, step: impl FnOnce(&mut Self::Directory<'_>) -> R) -> R;

    /// Runs a step on the sockets of one host.
    fn ports<R>(&self, host: &Self::Host, step: impl FnOnce(&mut Self::Ports<'_>) -> R) -> R;

    /// Gives a dial from `source` another port, if `target` already has its pair at port `at`, which connections share.
    /// The new port is the lowest free one that makes a new pair. Returns the port that the dial has then.
    ///
    /// Calls `taken`, under the lock, if it takes another port; `taken` calls nothing.
    ///
    /// This is one step: the dial is never seen without a port, no other dial gets the pair meanwhile, and the port is
    /// the lowest there is. A pair is only formed by a dial that holds its port, so the new pair stays free for this
    /// dial.
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

    /// Converts a slot number that these tables returned.
    fn slot(number: u32) -> Self::Slot;

    /// The host's name.
    #[inline(never)]
    fn name(&self, host: &Self::Host) -> HostName {
        let id = self.id(host);
        self.hosts(|hosts| hosts.name(id))
    }

    /// The number of `name`, which is that of a peer and gets the next one if it is new.
    ///
    /// # Errors
    ///
    /// `host table is full`.
    fn intern(&self, name: &HostName) -> Result<u32, Cause> {
        self.directory(|directory| directory.intern(name))
    }

    /// Like [`intern`](Tables::intern), within a step on the sockets of a host. A step on the directory never starts
    /// one on sockets, so the two cannot deadlock.
    ///
    /// # Errors
    ///
    /// `host table is full`.
    fn intern_within(&self, ports: &mut Self::Ports<'_>, name: &HostName) -> Result<u32, Cause>;
}

/// How a host died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// Its machine answers in its place.
    Crash,
    /// Its machine answers nothing.
    PowerOff,
}

/// Tables in which a host can die, and be made anew. Sealed, as [`Tables`] is.
///
/// Each life of a host has a number of its own, and sockets of its own under a lock of its own. So references to an
/// earlier life stay valid, and what they do is not seen in a later one.
pub trait Renewable: Tables {
    /// Closes a host that dies in this way. Returns whether it was open.
    fn kill(ports: &mut Self::Ports<'_>, how: Death) -> bool;

    /// Makes a host with the name, the IP address and the flags of the one with this number, which is closed. From now
    /// on its name means the new one. Returns `None` if there is no room.
    fn renew(directory: &mut Self::Directory<'_>, id: u32) -> Option<Self::Host>;
}

/// The hosts of a subnetwork. They are numbered from 0 in the order in which their names were first seen. Numbers and
/// names are never removed.
pub trait Hosts {
    /// A reference to one host of the subnetwork.
    type Host;

    /// The number of `name`, if it has one.
    fn find(&self, name: &[u8]) -> Option<u32>;

    /// The name with that number, or the empty name.
    fn name(&self, id: u32) -> HostName;

    /// How many numbers there are.
    fn count(&self) -> u32;

    /// The flags of the host with that number.
    fn flags(&self, id: u32) -> Option<HostFlags>;

    /// The host with that number, if it is local.
    fn host(&self, id: u32) -> Option<Self::Host>;

    /// The host with that number, if it is local and was not [made anew](Renewable::renew) since.
    fn newest(&self, id: u32) -> Option<Self::Host> {
        self.host(id)
    }

    /// The distance of the host's IP address from 10.0.0.0.
    fn ip(&self, id: u32) -> u32 {
        id + 1
    }

    /// The number of the host with this distance of its IP address from 10.0.0.0.
    fn by_ip(&self, ip: u32) -> Option<u32> {
        ip.checked_sub(1).filter(|&id| id < self.count())
    }

    /// Whether the network and the registry are closed.
    fn closed(&self) -> Closed;
}

/// The names of a subnetwork's hosts, and the state that they share.
pub trait Directory {
    /// The names of the hosts.
    type Hosts: Hosts;
    /// The wakers registered for one event.
    type Wakers;

    /// The names of the hosts.
    fn hosts(&self) -> &Self::Hosts;

    /// The state of the network.
    fn network(&mut self) -> &mut NetworkState<Self::Wakers>;

    /// Whether there is room for `name`.
    ///
    /// # Errors
    ///
    /// `host table is full`.
    fn room(&self, name: &HostName) -> Result<(), Cause>;

    /// The number of `name`, which gets the next one if it is new.
    ///
    /// # Errors
    ///
    /// `host table is full`.
    fn intern(&mut self, name: &HostName) -> Result<u32, Cause>;

    /// Marks the name as announced to the registry that is a view of this table.
    fn set_announced(&mut self, id: u32);

    /// Makes a host of this subnetwork of a name that was none. It gets the next IP address.
    fn make(&mut self, id: u32) -> Option<<Self::Hosts as Hosts>::Host>;

    /// Sets whether the network and the registry are closed.
    fn set_closed(&mut self, closed: Closed);

    /// Says whether a task waits until hosts are idle.
    fn set_watched(&mut self, watched: bool);
}

/// The flags of a name.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostFlags {
    /// Whether it was announced to the registry that is a view of this table.
    pub announced: bool,
    /// Whether it is the name of a local host, one of this subnetwork.
    pub own: bool,
}

/// Which parts of a network are closed.
#[derive(Clone, Copy, Debug)]
pub struct Closed {
    /// Whether the network was closed or has failed.
    pub network: bool,
    /// Whether the registry that is a view of this table was closed.
    pub registry: bool,
}

impl Closed {
    pub(super) const OPEN: Self = Self { network: false, registry: false };
}

/// The state of a network.
#[derive(Debug)]
pub struct NetworkState<W> {
    /// Whether closing the last open host closes the network.
    pub auto_close: bool,
    /// The progress of closing the engine and the registry.
    pub closing: Closing,
    /// How many hosts are open.
    pub open_hosts: u32,
    /// The cause of the network's failure, and the errors of closing the engine and the registry.
    pub(crate) failures: Failures,
    /// The tasks that wait for another task's close, or until hosts are idle.
    pub waiters: W,
}

impl<W> NetworkState<W> {
    pub(crate) const fn new(waiters: W) -> Self {
        Self { auto_close: false, closing: Closing::NotYet, open_hosts: 0, failures: Failures::NONE, waiters }
    }
}

/// The progress of closing the engine and the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// Both are open, and no task is closing them.
    NotYet,
    /// The engine is closed, the registry is not, and no task is closing it.
    EngineDone,
    /// A task is closing them.
    Running,
    /// Both are closed.
    Done,
}

/// The sockets of one host. A slot belongs to the socket in it, and callers only name slots that are in use.
pub trait Ports {
    /// The engine's end of a connection.
    type Link;
    /// The wakers registered for one event.
    type Wakers: SocketLayout;

    /// Whether the host is open. It is at first.
    fn is_open(&self) -> bool;

    /// Closes the host. Returns whether it was open.
    fn close(&mut self) -> bool;

    /// How the host died, if it did, and was not only closed.
    fn death(&self) -> Option<Death> {
        None
    }

    /// Puts a socket into a free slot, with the port that `bind` asks for. Returns the slot.
    ///
    /// # Errors
    ///
    /// `address already in use`, or a full table.
    fn insert(&mut self, bind: Bind, state: State<Self::Link, Self::Wakers>) -> Result<u32, Cause>;

    /// Gives a port to a socket that has none. For a shared port it also sets the peer, which must not change while the
    /// socket holds the port.
    ///
    /// # Errors
    ///
    /// `port table is full`; `address already in use` if another socket has that port and that peer.
    fn bind(&mut self, slot: u32, bind: Bind) -> Result<(), Cause>;

    /// The socket in a slot.
    fn socket(&mut self, slot: u32) -> Option<&mut Socket<Self::Link, Self::Wakers>>;

    /// Frees the socket's port, if it still holds it. The socket keeps the port's number.
    fn unbind(&mut self, slot: u32);

    /// Removes a socket and frees its port. Returns its state.
    fn remove(&mut self, slot: u32) -> Option<State<Self::Link, Self::Wakers>>;

    /// The listener at a port.
    fn listener(&self, port: u16) -> Option<u32>;

    /// How many sockets there are.
    fn count(&self) -> u32;

    /// How many sockets there may be.
    fn capacity(&self) -> u32;

    /// The first slot in use, from `slot` on.
    fn next(&self, slot: u32) -> Option<u32>;
}

/// The port that a socket asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bind {
    /// None yet.
    None,
    /// The lowest free one, from 1.
    Lowest,
    /// This one, if no socket holds it except accepted connections that share it.
    Exact(u16),
    /// The listener's port, which other accepted connections may share, if none of those has this peer.
    Shared(u16, Peer),
}
