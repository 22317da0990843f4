//! Tables that grow.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use hashbrown::HashTable;

use super::bitmap::PortSet;
use super::{Bind, Directory, HostFlags, NIL, NetworkState, Ports, Socket, State, Tables};
use crate::cause::{Cause, Table};
use crate::name::HostName;
use crate::sync::Lock;
use crate::waker::ManyWakers;

/// The tables of a subnetwork on the heap: as many hosts and sockets as memory holds, each host under a lock of its own.
///
/// Finding a host by its name, the lowest free port and a listener by its port take the same time however much there is.
pub struct Heap<L> {
    directory: Arc<Lock<HeapDirectory<L>>>,
}

impl<L> Heap<L> {
    /// Empty tables.
    #[must_use]
    pub fn new() -> Self {
        let directory = HeapDirectory {
            network: NetworkState::new(ManyWakers::default()),
            hosts: Vec::new(),
            by_name: HashTable::new(),
        };
        Self { directory: Arc::new(Lock::new(directory)) }
    }
}

impl<L> Default for Heap<L> {
    fn default() -> Self {
        Self::new()
    }
}

impl<L> Clone for Heap<L> {
    fn clone(&self) -> Self {
        Self { directory: self.directory.clone() }
    }
}

impl<L> fmt::Debug for Heap<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Heap")
    }
}

impl<L: Clone + Send + Sync> Tables for Heap<L> {
    type Link = L;
    type Wakers = ManyWakers;
    type Host = Arc<HeapHost<L>>;
    type Slot = u32;
    type Directory<'a>
        = HeapDirectory<L>
    where
        Self: 'a;
    type Ports<'a>
        = HeapPorts<L>
    where
        Self: 'a;

    fn directory<R>(&self, step: impl FnOnce(&mut HeapDirectory<L>) -> R) -> R {
        self.directory.with(step)
    }

    fn ports<R>(&self, host: &Arc<HeapHost<L>>, step: impl FnOnce(&mut HeapPorts<L>) -> R) -> R {
        host.ports.with(step)
    }

    fn id(&self, host: &Arc<HeapHost<L>>) -> u32 {
        host.id
    }

    fn slot(number: u32) -> u32 {
        number
    }

    fn name(&self, host: &Arc<HeapHost<L>>) -> HostName {
        host.name
    }
}

/// One name that came up, and its sockets if it is that of an own host.
pub struct HeapHost<L> {
    id: u32,
    name: HostName,
    ports: Lock<HeapPorts<L>>,
}

impl<L> PartialEq for HeapHost<L> {
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self, other)
    }
}

impl<L> fmt::Debug for HeapHost<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeapHost({})", &*self.name)
    }
}

/// The network and its hosts, under lock.
#[derive(Debug)]
pub struct HeapDirectory<L> {
    network: NetworkState<ManyWakers>,
    hosts: Vec<(Arc<HeapHost<L>>, HostFlags)>,
    /// Numbers of hosts, by the hash of their names.
    by_name: HashTable<u32>,
}

impl<L> Directory for HeapDirectory<L> {
    type Host = Arc<HeapHost<L>>;
    type Wakers = ManyWakers;

    fn network(&mut self) -> &mut NetworkState<ManyWakers> {
        &mut self.network
    }

    fn find(&self, name: &[u8]) -> Option<u32> {
        let is_it = |&id: &u32| self.hosts[id as usize].0.name.as_bytes() == name;
        self.by_name.find(hash(name), is_it).copied()
    }

    fn intern(&mut self, name: &HostName) -> Result<u32, Cause> {
        if let Some(id) = self.find(name.as_bytes()) {
            return Ok(id);
        }
        let id = u32::try_from(self.hosts.len()).map_err(|_| Cause::Full(Table::Hosts, u32::MAX))?;
        let ports = Lock::new(HeapPorts::default());
        self.hosts.push((Arc::new(HeapHost { id, name: *name, ports }), HostFlags::default()));
        let hosts = &self.hosts;
        self.by_name.insert_unique(hash(name.as_bytes()), id, |&id| hash(hosts[id as usize].0.name.as_bytes()));
        Ok(id)
    }

    fn room(&self, _: &HostName) -> Result<(), Cause> {
        Ok(())
    }

    fn name(&self, id: u32) -> HostName {
        self.hosts.get(id as usize).map_or(HostName::EMPTY, |(host, _)| host.name)
    }

    fn count(&self) -> u32 {
        self.hosts.len() as u32
    }

    fn flags(&mut self, id: u32) -> Option<&mut HostFlags> {
        self.hosts.get_mut(id as usize).map(|(_, flags)| flags)
    }

    fn host(&self, id: u32) -> Option<Arc<HeapHost<L>>> {
        self.hosts.get(id as usize).filter(|(_, flags)| flags.own).map(|(host, _)| host.clone())
    }
}

/// The sockets of one host, under lock.
pub struct HeapPorts<L> {
    open: bool,
    taken: PortSet,
    sockets: Vec<Row<L>>,
    /// The first free row, or `NIL`.
    free: u32,
    /// How many rows are used.
    used: u32,
    /// The ports of listeners and of connections that share theirs.
    servers: HashTable<Server>,
}

impl<L> Default for HeapPorts<L> {
    fn default() -> Self {
        Self {
            open: true,
            taken: PortSet::default(),
            sockets: Vec::new(),
            free: NIL,
            used: 0,
            servers: HashTable::new(),
        }
    }
}

impl<L> fmt::Debug for HeapPorts<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeapPorts({})", self.sockets.len())
    }
}

enum Row<L> {
    Used(Socket<L, ManyWakers>),
    /// The next free row, or `NIL`.
    Free(u32),
}

/// What is at a port that a listener has, or had.
struct Server {
    port: u16,
    /// The listener's slot, or `NIL`.
    listener: u32,
    /// Connections that share the port.
    connections: u32,
}

impl<L> HeapPorts<L> {
    fn server(&self, port: u16) -> Option<&Server> {
        self.servers.find(hash(&port.to_ne_bytes()), |server| server.port == port)
    }

    /// Takes a port for the socket in `slot`; says whether it is a shared one.
    fn take_port(&mut self, bind: Bind, slot: u32, listens: bool) -> Result<(u16, bool), Cause> {
        let port = match bind {
            Bind::None => return Ok((0, false)),
            Bind::Lowest => self.taken.lowest_free().ok_or(Cause::Full(Table::Ports, self.capacity()))?,
            Bind::Exact(port) | Bind::Shared(port) => port,
        };
        let shared = matches!(bind, Bind::Shared(_));
        if self.taken.contains(port) && !shared && self.server(port).is_none_or(|server| server.listener != NIL) {
            return Err(Cause::AddrInUse);
        }
        self.taken.insert(port);
        if listens || shared {
            let (key, new) = (hash(&port.to_ne_bytes()), Server { port, listener: NIL, connections: 0 });
            let entry = self.servers.entry(key, |s| s.port == port, |s| hash(&s.port.to_ne_bytes()));
            let mut entry = entry.or_insert(new);
            let server = entry.get_mut();
            match listens {
                true => server.listener = slot,
                false => server.connections += 1,
            }
        }
        Ok((port, shared))
    }
}

impl<L> Ports for HeapPorts<L> {
    type Link = L;
    type Wakers = ManyWakers;

    fn is_open(&self) -> bool {
        self.open
    }

    fn close(&mut self) -> bool {
        core::mem::take(&mut self.open)
    }

    fn insert(&mut self, bind: Bind, state: State<L, ManyWakers>) -> Result<u32, Cause> {
        let slot = if self.free == NIL { self.sockets.len() as u32 } else { self.free };
        if slot == NIL {
            return Err(Cause::Full(Table::Ports, NIL));
        }
        let (port, shared) = self.take_port(bind, slot, matches!(state, State::Listener(_)))?;
        let row = Row::Used(Socket { port, bound: port != 0, shared, ..Socket::new(state) });
        match self.sockets.get_mut(slot as usize) {
            Some(free) => {
                if let Row::Free(next) = core::mem::replace(free, row) {
                    self.free = next;
                }
            }
            None => {
                if slot as usize == self.sockets.capacity() {
                    // A quarter more, not twice as many: most of what a host takes is this.
                    self.sockets.reserve_exact((slot as usize / 4).max(4));
                }
                self.sockets.push(row);
            }
        }
        self.used += 1;
        Ok(slot)
    }

    fn bind(&mut self, slot: u32, bind: Bind) -> Result<(), Cause> {
        let (port, shared) = self.take_port(bind, slot, false)?;
        if let Some(socket) = self.socket(slot) {
            (socket.port, socket.bound, socket.shared) = (port, true, shared);
        }
        Ok(())
    }

    fn socket(&mut self, slot: u32) -> Option<&mut Socket<L, ManyWakers>> {
        match self.sockets.get_mut(slot as usize)? {
            Row::Used(socket) => Some(socket),
            Row::Free(_) => None,
        }
    }

    fn unbind(&mut self, slot: u32) {
        let Some(socket) = self.socket(slot) else { return };
        if !core::mem::take(&mut socket.bound) {
            return;
        }
        let (port, shared, listens) = (socket.port, socket.shared, matches!(socket.state, State::Listener(_)));
        if !shared && !listens {
            // A port that connections share is never held by a socket that is neither listener nor one of them.
            self.taken.remove(port);
            return;
        }
        let Ok(mut entry) = self.servers.find_entry(hash(&port.to_ne_bytes()), |s| s.port == port) else { return };
        let server = entry.get_mut();
        match listens {
            true => server.listener = NIL,
            false => server.connections -= 1,
        }
        if server.listener == NIL && server.connections == 0 {
            entry.remove();
            self.taken.remove(port);
        }
    }

    fn remove(&mut self, slot: u32) -> Option<Socket<L, ManyWakers>> {
        self.socket(slot)?;
        self.unbind(slot);
        match core::mem::replace(&mut self.sockets[slot as usize], Row::Free(self.free)) {
            Row::Used(socket) => {
                self.free = slot;
                self.used -= 1;
                Some(socket)
            }
            Row::Free(_) => None,
        }
    }

    fn listener(&self, port: u16) -> Option<u32> {
        self.server(port).map(|server| server.listener).filter(|&slot| slot != NIL)
    }

    fn count(&self) -> u32 {
        self.used
    }

    fn capacity(&self) -> u32 {
        u16::MAX.into()
    }

    fn next(&self, slot: u32) -> Option<u32> {
        let rows = self.sockets.iter().enumerate().skip(slot as usize);
        rows.filter(|(_, row)| matches!(row, Row::Used(_))).map(|(at, _)| at as u32).next()
    }
}

/// FNV-1a, for short names and ports that nobody has reason to choose badly.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
