//! Fixed-size tables, in one piece of memory that can be a static.

use core::fmt;

use heapless::{Vec, VecView};

use super::{
    Bind, Closed, Directory, HostFlags, Hosts, NetworkState, Peer, PortHold, Ports, Socket, SocketLayout, State, Tables,
};
use crate::addr::name::HostName;
use crate::error::cause::{Cause, Resource};
use crate::sync::Lock;
use crate::wait::waker::{TwoWakers, Wakers as _};

/// The tables of a subnetwork in fixed-size memory: one of hosts, and one of the sockets of all hosts together.
///
/// One lock guards everything, and lookups scan the rows.
pub struct Fixed<'m, L> {
    rows: &'m Lock<dyn Storage<L> + 'm>,
}

impl<'m, L: Send> Fixed<'m, L> {
    /// Tables in `memory` that no other subnetwork uses.
    #[must_use]
    pub const fn new<const HOSTS: usize, const SOCKETS: usize>(memory: &'m FixedMemory<L, HOSTS, SOCKETS>) -> Self {
        // A static is checked in `FixedMemory::new`, where the compiler names its line. All other memory is checked
        // here.
        const { Rows::<L, HOSTS, SOCKETS>::check() };
        Self { rows: &memory.0 }
    }
}

/// Memory for the tables of one subnetwork: `HOSTS` hosts, and `SOCKETS` sockets for all hosts together. It is all
/// zeros at first.
#[derive(Debug)]
pub struct FixedMemory<L, const HOSTS: usize, const SOCKETS: usize>(Lock<Rows<L, HOSTS, SOCKETS>>);

impl<L, const HOSTS: usize, const SOCKETS: usize> FixedMemory<L, HOSTS, SOCKETS> {
    /// Empty memory. With more than 65,535 hosts or 65,534 sockets, its tables do not compile.
    #[must_use]
    pub const fn new() -> Self {
        Self(Lock::new(Rows::new()))
    }
}

impl<L, const HOSTS: usize, const SOCKETS: usize> Default for FixedMemory<L, HOSTS, SOCKETS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<L> Clone for Fixed<'_, L> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L> Copy for Fixed<'_, L> {}

impl<L> fmt::Debug for Fixed<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fixed")
    }
}

impl<L: Clone + Send + Sync> Tables for Fixed<'_, L> {
    const POOLED: bool = true;
    const GROWS: bool = false;

    type Link = L;
    type Wakers = TwoWakers;
    type Host = u16;
    type Slot = u16;
    type Hosts<'a>
        = FixedHosts<'a>
    where
        Self: 'a;
    type Directory<'a>
        = FixedDirectory<'a>
    where
        Self: 'a;
    type Ports<'a>
        = FixedPorts<'a, L>
    where
        Self: 'a;

    fn hosts<R>(&self, look: impl FnOnce(&FixedHosts<'_>) -> R) -> R {
        self.rows.with(|rows| look(&rows.views().0.hosts))
    }

    fn directory<R>(&self, step: impl FnOnce(&mut FixedDirectory<'_>) -> R) -> R {
        self.rows.with(|rows| step(&mut rows.views().0))
    }

    fn ports<R>(&self, host: &u16, step: impl FnOnce(&mut FixedPorts<'_, L>) -> R) -> R {
        self.rows.with(|rows| {
            let (directory, sockets) = rows.views();
            step(&mut FixedPorts { host: *host, hosts: directory.hosts.rows, sockets })
        })
    }

    fn exchange_port(
        &self,
        source: &u16,
        (slot, port): (u32, u16),
        target: &u16,
        at: u16,
        taken: impl FnOnce(),
    ) -> Result<u16, Cause> {
        self.rows.with(|rows| {
            let (directory, sockets) = rows.views();
            let mut own = FixedPorts { host: *source, hosts: directory.hosts.rows, sockets };
            let is_new = |port| !own.has_pair(*target, at, Peer { host: u32::from(*source), port });
            if is_new(port) {
                return Ok(port);
            }
            let port = own.lowest(is_new)?;
            if let Some(socket) = own.socket(slot) {
                socket.port = port;
            }
            taken();
            Ok(port)
        })
    }

    fn intern_within(&self, ports: &mut FixedPorts<'_, L>, name: &HostName) -> Result<u32, Cause> {
        intern(ports.hosts, name)
    }

    fn is_watched(&self) -> bool {
        self.rows.with(|rows| !rows.views().0.network.waiters.is_empty())
    }

    fn id(&self, host: &u16) -> u32 {
        u32::from(*host)
    }

    fn slot(number: u32) -> u16 {
        debug_assert!(number < 0xffff, "a fixed network has at most 65,534 sockets");
        number as u16
    }
}

/// Rows for `HOSTS` hosts and `SOCKETS` sockets.
#[derive(Debug)]
struct Rows<L, const HOSTS: usize, const SOCKETS: usize> {
    network: NetworkState<TwoWakers>,
    closed: Closed,
    hosts: Vec<HostEntry, HOSTS>,
    sockets: Vec<SocketEntry<L>, SOCKETS>,
}

impl<L, const HOSTS: usize, const SOCKETS: usize> Rows<L, HOSTS, SOCKETS> {
    /// Panics if there are more hosts or sockets than numbers for them.
    const fn check() {
        assert!(HOSTS <= 0xffff && SOCKETS < 0xffff, "a fixed network has at most 65,535 hosts and 65,534 sockets");
    }

    const fn new() -> Self {
        Self::check();
        let network = NetworkState::new(TwoWakers::NONE);
        Self { network, closed: Closed::OPEN, hosts: Vec::new(), sockets: Vec::new() }
    }
}

/// Rows of any number, so that the code that works on them is compiled once.
trait Storage<L>: Send {
    /// The network and its hosts, and the sockets.
    fn views(&mut self) -> (FixedDirectory<'_>, &mut VecView<SocketEntry<L>>);
}

impl<L: Send, const HOSTS: usize, const SOCKETS: usize> Storage<L> for Rows<L, HOSTS, SOCKETS> {
    fn views(&mut self) -> (FixedDirectory<'_>, &mut VecView<SocketEntry<L>>) {
        let hosts = FixedHosts { rows: &mut self.hosts, closed: &mut self.closed };
        (FixedDirectory { network: &mut self.network, hosts }, &mut self.sockets)
    }
}

/// A host. Its number is the index of its row.
#[derive(Debug)]
struct HostEntry {
    name: HostName,
    flags: HostFlags,
    open: bool,
}

/// All values are in the rows: there is no heap to box them on.
impl SocketLayout for TwoWakers {
    type MaybeBoxed<T> = T;
    type Dial = Self;
}

/// A socket of any host.
#[derive(Debug)]
struct SocketEntry<L> {
    host: u16,
    socket: Socket<L, TwoWakers>,
}

impl<L> SocketEntry<L> {
    fn is_free(&self) -> bool {
        matches!(self.socket.state, State::Free)
    }
}

/// The hosts, under lock.
#[derive(Debug)]
pub struct FixedHosts<'a> {
    rows: &'a mut VecView<HostEntry>,
    closed: &'a mut Closed,
}

impl Hosts for FixedHosts<'_> {
    type Host = u16;

    fn find(&self, name: &[u8]) -> Option<u32> {
        find(self.rows, name)
    }

    fn name(&self, id: u32) -> HostName {
        self.rows.get(id as usize).map_or(HostName::EMPTY, |row| row.name)
    }

    fn count(&self) -> u32 {
        self.rows.len() as u32
    }

    fn flags(&self, id: u32) -> Option<HostFlags> {
        self.rows.get(id as usize).map(|row| row.flags)
    }

    fn host(&self, id: u32) -> Option<u16> {
        self.rows.get(id as usize).filter(|row| row.flags.own).map(|_| id as u16)
    }

    fn closed(&self) -> Closed {
        *self.closed
    }
}

/// The network and its hosts, under lock.
#[derive(Debug)]
pub struct FixedDirectory<'a> {
    network: &'a mut NetworkState<TwoWakers>,
    hosts: FixedHosts<'a>,
}

/// The number of a name, which gets the next one if it is new.
fn intern(rows: &mut VecView<HostEntry>, name: &HostName) -> Result<u32, Cause> {
    if let Some(id) = find(rows, name.as_bytes()) {
        return Ok(id);
    }
    let row = HostEntry { name: *name, flags: HostFlags::default(), open: true };
    rows.push(row).map_err(|_| full(rows))?;
    Ok(rows.len() as u32 - 1)
}

fn find(rows: &VecView<HostEntry>, name: &[u8]) -> Option<u32> {
    rows.iter().position(|row| row.name.as_bytes() == name).map(|at| at as u32)
}

fn full(rows: &VecView<HostEntry>) -> Cause {
    Cause::Full(Resource::Hosts, rows.capacity() as u32)
}

impl<'a> Directory for FixedDirectory<'a> {
    type Hosts = FixedHosts<'a>;
    type Wakers = TwoWakers;

    fn hosts(&self) -> &FixedHosts<'a> {
        &self.hosts
    }

    fn network(&mut self) -> &mut NetworkState<TwoWakers> {
        self.network
    }

    fn room(&self, name: &HostName) -> Result<(), Cause> {
        if self.hosts.rows.is_full() && self.hosts.find(name.as_bytes()).is_none() {
            Err(full(self.hosts.rows))
        } else {
            Ok(())
        }
    }

    fn intern(&mut self, name: &HostName) -> Result<u32, Cause> {
        intern(self.hosts.rows, name)
    }

    fn set_announced(&mut self, id: u32) {
        if let Some(row) = self.hosts.rows.get_mut(id as usize) {
            row.flags.announced = true;
        }
    }

    fn make(&mut self, id: u32) -> Option<u16> {
        self.hosts.rows.get_mut(id as usize)?.flags.own = true;
        Some(id as u16)
    }

    fn set_closed(&mut self, closed: Closed) {
        *self.hosts.closed = closed;
    }

    /// The set of waiting tasks says so itself.
    fn set_watched(&mut self, _: bool) {}
}

/// The sockets of one host, under lock.
#[derive(Debug)]
pub struct FixedPorts<'a, L> {
    host: u16,
    hosts: &'a mut VecView<HostEntry>,
    sockets: &'a mut VecView<SocketEntry<L>>,
}

impl<L> FixedPorts<'_, L> {
    /// The host's sockets that hold a port.
    fn bound(&self) -> impl Iterator<Item = &Socket<L, TwoWakers>> {
        let rows = self.sockets.iter().filter(|row| row.host == self.host && !row.is_free());
        rows.map(|row| &row.socket).filter(|socket| socket.hold != PortHold::None)
    }

    /// The port that `bind` asks for, and how the socket will hold it.
    fn choose(&self, bind: Bind) -> Result<(u16, PortHold), Cause> {
        match bind {
            Bind::None => Ok((0, PortHold::None)),
            Bind::Shared(port, peer) if self.has_pair(self.host, port, peer) => Err(Cause::AddrInUse),
            Bind::Shared(port, _) => Ok((port, PortHold::Shared)),
            Bind::Exact(port) if self.bound().any(|socket| socket.port == port && socket.hold == PortHold::Alone) => {
                Err(Cause::AddrInUse)
            }
            Bind::Exact(port) => Ok((port, PortHold::Alone)),
            Bind::Lowest => Ok((self.lowest(|_| true)?, PortHold::Alone)),
        }
    }

    /// The lowest free port that passes `will_do`.
    fn lowest(&self, will_do: impl Fn(u16) -> bool) -> Result<u16, Cause> {
        let is_free = |port| !self.bound().any(|socket| socket.port == port);
        (1..=u16::MAX).find(|&port| is_free(port) && will_do(port)).ok_or_else(|| self.full())
    }

    /// Whether a connection that shares this port of `host` has this peer.
    fn has_pair(&self, host: u16, port: u16, peer: Peer) -> bool {
        self.sockets.iter().any(|SocketEntry { host: of, socket }| {
            *of == host
                && socket.hold == PortHold::Shared
                && socket.port == port
                && socket.peer == peer
                && !matches!(socket.state, State::Free)
        })
    }

    fn full(&self) -> Cause {
        Cause::Full(Resource::Ports, self.capacity())
    }
}

impl<L> Ports for FixedPorts<'_, L> {
    type Link = L;
    type Wakers = TwoWakers;

    fn is_open(&self) -> bool {
        self.hosts.get(usize::from(self.host)).is_some_and(|row| row.open)
    }

    fn close(&mut self) -> bool {
        let row = self.hosts.get_mut(usize::from(self.host));
        row.is_some_and(|row| core::mem::take(&mut row.open))
    }

    fn insert(&mut self, bind: Bind, state: State<L, TwoWakers>) -> Result<u32, Cause> {
        let (port, hold) = self.choose(bind)?;
        let socket = Socket { port, hold, ..Socket::new(state) };
        let row = SocketEntry { host: self.host, socket };
        if let Some(slot) = self.sockets.iter().position(SocketEntry::is_free) {
            self.sockets[slot] = row;
            return Ok(slot as u32);
        }
        self.sockets.push(row).map_err(|_| self.full())?;
        Ok(self.sockets.len() as u32 - 1)
    }

    fn bind(&mut self, slot: u32, bind: Bind) -> Result<(), Cause> {
        let (port, hold) = self.choose(bind)?;
        if let Some(socket) = self.socket(slot) {
            (socket.port, socket.hold) = (port, hold);
            if let Bind::Shared(_, peer) = bind {
                socket.peer = peer;
            }
        }
        Ok(())
    }

    fn socket(&mut self, slot: u32) -> Option<&mut Socket<L, TwoWakers>> {
        let row = self.sockets.get_mut(slot as usize).filter(|row| row.host == self.host && !row.is_free());
        row.map(|row| &mut row.socket)
    }

    fn unbind(&mut self, slot: u32) {
        if let Some(socket) = self.socket(slot) {
            socket.hold = PortHold::None;
        }
    }

    fn remove(&mut self, slot: u32) -> Option<State<L, TwoWakers>> {
        self.socket(slot).map(|socket| core::mem::replace(&mut socket.state, State::Free))
    }

    fn listener(&self, port: u16) -> Option<u32> {
        let listens = |row: &SocketEntry<L>| {
            let socket = &row.socket;
            row.host == self.host
                && socket.hold != PortHold::None
                && socket.port == port
                && matches!(socket.state, State::Listener(_))
        };
        self.sockets.iter().position(listens).map(|slot| slot as u32)
    }

    fn count(&self) -> u32 {
        self.sockets.iter().filter(|row| row.host == self.host && !row.is_free()).count() as u32
    }

    fn capacity(&self) -> u32 {
        self.sockets.capacity() as u32
    }

    fn next(&self, slot: u32) -> Option<u32> {
        let used = |row: &SocketEntry<L>| row.host == self.host && !row.is_free();
        let rows = self.sockets.iter().enumerate().skip(slot as usize);
        rows.filter(|(_, row)| used(row)).map(|(at, _)| at as u32).next()
    }
}
