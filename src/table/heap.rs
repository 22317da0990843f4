//! Tables that grow.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::Ordering;

use hashbrown::HashTable;

use super::bitmap::PortSet;
use super::list::{FIRST, List};
use super::{Bind, Closed, Directory, HostFlags, Hosts, Layout, NIL, NetworkState, Ports, Rare, Socket, State, Tables};
use crate::cause::{Cause, Table};
use crate::name::HostName;
use crate::sync::{AtomicBool, Lock};
use crate::waker::{ManyWakers, OneWaker};

/// The tables of a subnetwork on the heap: as many hosts and sockets as memory holds, each host under a lock of its own.
///
/// Finding a host by its name, the lowest free port and a listener by its port take the same time however much there is.
/// Hosts are found without a lock, so that those who use different hosts do not disturb each other.
pub struct Heap<L> {
    shared: Arc<Shared<L>>,
}

impl<L> Heap<L> {
    /// Empty tables.
    #[must_use]
    pub fn new() -> Self {
        let closed = [false; 2].map(AtomicBool::new);
        let hosts = HeapHosts { list: List::new(), closed };
        let network = Lock::new(NetworkState::new(ManyWakers::default()));
        Self { shared: Arc::new(Shared { hosts, network }) }
    }
}

impl<L> Default for Heap<L> {
    fn default() -> Self {
        Self::new()
    }
}

impl<L> Clone for Heap<L> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
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
    /// Its place in the list.
    type Host = u32;
    type Slot = u32;
    type Hosts<'a>
        = HeapHosts<L>
    where
        Self: 'a;
    type Directory<'a>
        = HeapDirectory<'a, L>
    where
        Self: 'a;
    type Ports<'a>
        = HeapPorts<L>
    where
        Self: 'a;

    #[inline]
    fn hosts<R>(&self, look: impl FnOnce(&HeapHosts<L>) -> R) -> R {
        look(&self.shared.hosts)
    }

    fn directory<R>(&self, step: impl FnOnce(&mut HeapDirectory<'_, L>) -> R) -> R {
        let Shared { hosts, network } = &*self.shared;
        network.with(|network| step(&mut HeapDirectory { hosts, network }))
    }

    #[inline]
    fn ports<R>(&self, host: &u32, step: impl FnOnce(&mut HeapPorts<L>) -> R) -> R {
        match self.shared.hosts.list.get(*host) {
            Some((_, host)) => host.ports.with(step),
            None => unreachable!("hosts stay in the table that numbers them"),
        }
    }

    fn name(&self, host: &u32) -> HostName {
        self.shared.hosts.list.get(*host).map_or(HostName::EMPTY, |(name, _)| *name)
    }

    fn id(&self, host: &u32) -> u32 {
        *host - FIRST
    }

    fn slot(number: u32) -> u32 {
        number
    }

    fn intern(&self, name: &HostName) -> Result<u32, Cause> {
        let Shared { hosts, network } = &*self.shared;
        match hosts.find(name.as_bytes()) {
            Some(id) => Ok(id),
            None => network.with(|network| HeapDirectory { hosts, network }.intern(name)),
        }
    }
}

struct Shared<L> {
    hosts: HeapHosts<L>,
    network: Lock<NetworkState<ManyWakers>>,
}

/// The names that came up.
#[derive(Debug)]
pub struct HeapHosts<L> {
    list: List<HeapHost<L>>,
    /// The network, the registry.
    closed: [AtomicBool; 2],
}

/// What belongs to a name that came up.
struct HeapHost<L> {
    announced: AtomicBool,
    own: AtomicBool,
    /// Its sockets, if it is that of an own host.
    ports: Lock<HeapPorts<L>>,
}

impl<L> HeapHosts<L> {
    fn get(&self, id: u32) -> Option<&(HostName, HeapHost<L>)> {
        self.list.get(id.checked_add(FIRST)?)
    }
}

impl<L> Hosts for HeapHosts<L> {
    type Host = u32;

    fn find(&self, name: &[u8]) -> Option<u32> {
        self.list.find(name).map(|place| place - FIRST)
    }

    fn name(&self, id: u32) -> HostName {
        self.get(id).map_or(HostName::EMPTY, |(name, _)| *name)
    }

    fn count(&self) -> u32 {
        self.list.end() - FIRST
    }

    fn flags(&self, id: u32) -> Option<HostFlags> {
        let (_, host) = self.get(id)?;
        let [announced, own] = [&host.announced, &host.own].map(|flag| flag.load(Ordering::Acquire));
        Some(HostFlags { announced, own })
    }

    fn host(&self, id: u32) -> Option<u32> {
        self.get(id).filter(|(_, host)| host.own.load(Ordering::Acquire)).map(|_| id + FIRST)
    }

    fn closed(&self) -> Closed {
        let [network, registry] = self.closed.each_ref().map(|flag| flag.load(Ordering::Acquire));
        Closed { network, registry }
    }
}

/// The network and its hosts, under lock.
#[derive(Debug)]
pub struct HeapDirectory<'a, L> {
    hosts: &'a HeapHosts<L>,
    network: &'a mut NetworkState<ManyWakers>,
}

impl<L> Directory for HeapDirectory<'_, L> {
    type Hosts = HeapHosts<L>;
    type Wakers = ManyWakers;

    fn hosts(&self) -> &HeapHosts<L> {
        self.hosts
    }

    fn network(&mut self) -> &mut NetworkState<ManyWakers> {
        self.network
    }

    fn room(&self, _: &HostName) -> Result<(), Cause> {
        Ok(())
    }

    fn intern(&mut self, name: &HostName) -> Result<u32, Cause> {
        if let Some(id) = self.hosts.find(name.as_bytes()) {
            return Ok(id);
        }
        let [announced, own] = [false; 2].map(AtomicBool::new);
        let host = HeapHost { announced, own, ports: Lock::new(HeapPorts::default()) };
        let place = self.hosts.list.push(*name, host);
        place.map(|place| place - FIRST).ok_or(Cause::Full(Table::Hosts, self.hosts.count()))
    }

    fn set_flags(&mut self, id: u32, flags: HostFlags) {
        if let Some((_, host)) = self.hosts.get(id) {
            host.announced.store(flags.announced, Ordering::Release);
            host.own.store(flags.own, Ordering::Release);
        }
    }

    fn set_closed(&mut self, closed: Closed) {
        self.hosts.closed[0].store(closed.network, Ordering::Release);
        self.hosts.closed[1].store(closed.registry, Ordering::Release);
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

/// Most sockets are connections.
impl Layout for ManyWakers {
    type Rare<T> = Box<T>;
    type Dial = OneWaker;
}

impl<T> Rare<T> for Box<T> {
    fn value(&self) -> &T {
        self
    }

    fn value_mut(&mut self) -> &mut T {
        self
    }

    fn into_value(self) -> T {
        *self
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
    #[inline]
    fn take_port(&mut self, bind: Bind, slot: u32, listens: bool) -> Result<(u16, bool), Cause> {
        let (port, shared) = match bind {
            Bind::None => return Ok((0, false)),
            Bind::Lowest => (self.taken.take_lowest().ok_or(Cause::Full(Table::Ports, self.capacity()))?, false),
            Bind::Exact(port) => {
                let free = !self.taken.contains(port) || self.server(port).is_some_and(|server| server.listener == NIL);
                if !free {
                    return Err(Cause::AddrInUse);
                }
                self.taken.insert(port);
                (port, false)
            }
            Bind::Shared(port) => {
                self.taken.insert(port);
                (port, true)
            }
        };
        if listens || shared {
            self.serve(port, slot, listens);
        }
        Ok((port, shared))
    }

    #[cold]
    fn add_row(&mut self) {
        if self.sockets.len() == self.sockets.capacity() {
            // A quarter more, not twice as many: most of what a host takes is this.
            self.sockets.reserve_exact((self.sockets.len() / 4).max(4));
        }
        self.sockets.push(Row::Free(NIL));
    }

    /// Takes note of a listener, or of a connection that shares its port.
    fn serve(&mut self, port: u16, slot: u32, listens: bool) {
        let (key, new) = (hash(&port.to_ne_bytes()), Server { port, listener: NIL, connections: 0 });
        let entry = self.servers.entry(key, |s| s.port == port, |s| hash(&s.port.to_ne_bytes()));
        let mut entry = entry.or_insert(new);
        let server = entry.get_mut();
        match listens {
            true => server.listener = slot,
            false => server.connections += 1,
        }
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

    #[inline]
    fn insert(&mut self, bind: Bind, state: State<L, ManyWakers>) -> Result<u32, Cause> {
        let slot = if self.free == NIL { self.sockets.len() as u32 } else { self.free };
        if slot == NIL {
            return Err(Cause::Full(Table::Ports, NIL));
        }
        let (port, shared) = self.take_port(bind, slot, matches!(state, State::Listener(_)))?;
        if self.free == NIL {
            self.add_row();
        }
        let row = &mut self.sockets[slot as usize];
        if let Row::Free(next) = *row {
            self.free = next;
        }
        *row = Row::Used(Socket { port, bound: port != 0, shared, ..Socket::new(state) });
        self.used += 1;
        Ok(slot)
    }

    #[inline]
    fn bind(&mut self, slot: u32, bind: Bind) -> Result<(), Cause> {
        let (port, shared) = self.take_port(bind, slot, false)?;
        if let Some(socket) = self.socket(slot) {
            (socket.port, socket.bound, socket.shared) = (port, true, shared);
        }
        Ok(())
    }

    #[inline]
    fn socket(&mut self, slot: u32) -> Option<&mut Socket<L, ManyWakers>> {
        match self.sockets.get_mut(slot as usize)? {
            Row::Used(socket) => Some(socket),
            Row::Free(_) => None,
        }
    }

    #[inline]
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

    #[inline]
    fn remove(&mut self, slot: u32) -> Option<State<L, ManyWakers>> {
        self.unbind(slot);
        let row = self.sockets.get_mut(slot as usize)?;
        let Row::Used(socket) = row else { return None };
        let state = core::mem::replace(&mut socket.state, State::Free);
        *row = Row::Free(self.free);
        self.free = slot;
        self.used -= 1;
        Some(state)
    }

    #[inline]
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

/// A hash of short names and ports that nobody has reason to choose badly: eight bytes at a time.
#[inline]
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks();
    let hash = words.iter().fold(bytes.len() as u64, |hash, &word| mix(hash ^ u64::from_le_bytes(word)));
    mix(rest.iter().fold(hash, |hash, &byte| hash.rotate_left(8) ^ u64::from(byte)))
}

/// Both halves of a product, in which each bit of `word` counts: by 2 to the power of 64 over the golden ratio.
fn mix(word: u64) -> u64 {
    let product = u128::from(word) * 0x9e37_79b9_7f4a_7c15;
    (product >> 64) as u64 ^ product as u64
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_small() {
        assert_eq!(size_of::<Row<(Arc<()>, bool)>>(), 40);
    }
}
