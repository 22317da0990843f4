//! Growable tables.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::cmp::Ordering::{Equal, Greater, Less};
use core::fmt;
use core::sync::atomic::Ordering;

use super::list::{FIRST, List};
use super::sockets::{CAPACITY, Sockets};
use super::{
    Bind, Closed, Death, Directory, HostFlags, Hosts, MaybeBoxed, NetworkState, Peer, Ports, Renewable, Socket,
    SocketLayout, State, Tables,
};
use crate::addr::name::HostName;
use crate::error::cause::{Cause, Resource};
use crate::sync::{AtomicBool, AtomicU32, Lock};
use crate::wait::waker::{ManyWakers, OneWaker};

/// The tables of a subnetwork on the heap: as many hosts and sockets as memory holds, each host under a lock of its
/// own.
///
/// Finding a host by its name, the lowest free port, and a listener by its port take the same time at any size. Hosts
/// are found without a lock, so threads that use different hosts do not disturb each other.
pub struct Heap<L> {
    shared: Arc<SharedTables<L>>,
}

impl<L> Heap<L> {
    /// Empty tables.
    #[must_use]
    pub fn new() -> Self {
        let closed = [false; 2].map(AtomicBool::new);
        let counts = [0; 2].map(AtomicU32::new);
        let hosts = HeapHosts { list: List::new(), counts, closed, watched: AtomicBool::new(false) };
        let network = Lock::new(NetworkState::new(ManyWakers::default()));
        Self { shared: Arc::new(SharedTables { hosts, network }) }
    }

    /// Whether this name has a number. For the models.
    #[cfg(loom)]
    pub fn knows(&self, name: &str) -> bool {
        self.shared.hosts.find(name.as_bytes()).is_some()
    }

    /// The sockets of a host.
    #[inline]
    fn lock(&self, host: u32) -> &Lock<HeapPorts<L>> {
        match self.shared.hosts.list.get(host) {
            Some((_, host)) => &host.ports,
            None => unreachable!("hosts stay in the table that numbers them"),
        }
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
    const POOLED: bool = false;
    const GROWS: bool = true;

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
        let SharedTables { hosts, network } = &*self.shared;
        network.with(|network| step(&mut HeapDirectory { hosts, network }))
    }

    #[inline]
    fn ports<R>(&self, host: &u32, step: impl FnOnce(&mut HeapPorts<L>) -> R) -> R {
        self.lock(*host).with(step)
    }

    fn exchange_port(
        &self,
        source: &u32,
        (slot, port): (u32, u16),
        target: &u32,
        at: u16,
        taken: impl FnOnce(),
    ) -> Result<u16, Cause> {
        let (own, there) = (self.lock(*source), self.lock(*target));
        let peer = Peer { host: self.id(source), port };
        if !there.with(|there| there.has_pair(at, peer)) {
            return Ok(port);
        }
        // The only step that takes the locks of two hosts. It takes that of the lower number first, so that two such
        // steps cannot deadlock.
        match source.cmp(target) {
            Less => own.with(|own| there.with(|there| own.exchange(slot, peer, Some(there), at, taken))),
            Equal => own.with(|own| own.exchange(slot, peer, None, at, taken)),
            Greater => there.with(|there| own.with(|own| own.exchange(slot, peer, Some(there), at, taken))),
        }
    }

    #[inline]
    fn is_watched(&self) -> bool {
        // Ordered by the lock of the host's sockets.
        self.shared.hosts.watched.load(Ordering::Relaxed)
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

    fn intern_within(&self, _: &mut HeapPorts<L>, name: &HostName) -> Result<u32, Cause> {
        self.intern(name)
    }

    fn intern(&self, name: &HostName) -> Result<u32, Cause> {
        let SharedTables { hosts, network } = &*self.shared;
        match hosts.find(name.as_bytes()) {
            Some(id) => Ok(id),
            None => network.with(|network| {
                let id = HeapDirectory { hosts, network }.intern(name)?;
                if let Some((_, host)) = hosts.get(id).filter(|(_, host)| host.ip.load(Ordering::Relaxed) == 0) {
                    hosts.give_ip(id, host, HEARD_OF, HEARD);
                }
                Ok(id)
            }),
        }
    }
}

impl<L: Clone + Send + Sync> Renewable for Heap<L> {
    fn kill(ports: &mut HeapPorts<L>, how: Death) -> bool {
        let was_open = ports.close();
        if was_open {
            ports.death = Some(how);
        }
        was_open
    }

    fn renew(directory: &mut HeapDirectory<'_, L>, id: u32) -> Option<u32> {
        let (_, old) = directory.hosts.get(id)?;
        let host = HeapHost::new();
        for (flag, before) in [(&host.announced, &old.announced), (&host.own, &old.own)] {
            flag.store(before.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        host.ip.store(old.ip.load(Ordering::Relaxed), Ordering::Relaxed);
        directory.hosts.list.replace(id + FIRST, host)
    }
}

struct SharedTables<L> {
    hosts: HeapHosts<L>,
    network: Lock<NetworkState<ManyWakers>>,
}

/// The kind of a host that was made here.
const MADE: usize = 0;

/// The kind of a host of another subnetwork that was heard of.
const HEARD_OF: usize = 1;

/// The distance from 10.0.0.0 of 10.128.0.0, which is of no host: the hosts made here have the addresses before it, and
/// those heard of the ones after it. Hosts for which no address is left share it, or 11.0.0.0.
const HEARD: u32 = 0x80_0000;

/// The names that the subnetwork has seen.
#[derive(Debug)]
pub struct HeapHosts<L> {
    list: List<HeapHost<L>>,
    /// How many hosts were made here, and how many others were heard of.
    counts: [AtomicU32; 2],
    /// Whether the network and the registry are closed, in this order.
    closed: [AtomicBool; 2],
    /// Whether a task waits until hosts are idle. Set under the lock of the network, and read without it.
    watched: AtomicBool,
}

/// The data of a name that the subnetwork has seen.
struct HeapHost<L> {
    announced: AtomicBool,
    own: AtomicBool,
    /// The distance of its IP address from 10.0.0.0, once it was made here or heard of.
    ip: AtomicU32,
    /// Entry `n` of two lists, of the hosts made here and of those heard of, where `n` is the number of this name: one
    /// more than the number of the host with the IP address `n + 1` of its range, or 0 if that is this host. There are
    /// never fewer names than hosts, so the lists need no memory of their own.
    nth: [AtomicU32; 2],
    /// Its sockets, if it is the name of a local host.
    ports: Lock<HeapPorts<L>>,
}

impl<L> HeapHost<L> {
    fn new() -> Self {
        Self {
            announced: AtomicBool::new(false),
            own: AtomicBool::new(false),
            ip: AtomicU32::new(0),
            nth: [0; 2].map(AtomicU32::new),
            ports: Lock::new(HeapPorts::default()),
        }
    }
}

impl<L> HeapHosts<L> {
    /// Gives a host the next IP address of its kind, after `first`. Only one may do so at a time.
    fn give_ip(&self, id: u32, host: &HeapHost<L>, kind: usize, first: u32) {
        let before = self.counts[kind].load(Ordering::Relaxed);
        if before != id
            && let Some((_, entry)) = self.get(before)
        {
            entry.nth[kind].store(id + 1, Ordering::Release);
        }
        self.counts[kind].store(before + 1, Ordering::Relaxed);
        host.ip.store(first + (before + 1).min(HEARD), Ordering::Release);
    }

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

    fn newest(&self, id: u32) -> Option<u32> {
        self.host(id).filter(|_| self.find(self.name(id).as_bytes()) == Some(id))
    }

    fn ip(&self, id: u32) -> u32 {
        self.get(id).map_or(0, |(_, host)| host.ip.load(Ordering::Acquire))
    }

    fn by_ip(&self, ip: u32) -> Option<u32> {
        let (kind, first) = if ip < HEARD { (MADE, 0) } else { (HEARD_OF, HEARD) };
        let at = ip.checked_sub(first + 1)?;
        let (_, entry) = self.get(at)?;
        let id = entry.nth[kind].load(Ordering::Acquire).checked_sub(1).unwrap_or(at);
        Some(id).filter(|&id| self.ip(id) == ip)
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
        let place = self.hosts.list.find_or_push(*name, HeapHost::new);
        place.map(|place| place - FIRST).ok_or(Cause::Full(Resource::Hosts, self.hosts.count()))
    }

    fn set_announced(&mut self, id: u32) {
        if let Some((_, host)) = self.hosts.get(id) {
            host.announced.store(true, Ordering::Release);
        }
    }

    fn make(&mut self, id: u32) -> Option<u32> {
        let (_, host) = self.hosts.get(id)?;
        self.hosts.give_ip(id, host, MADE, 0);
        host.own.store(true, Ordering::Release);
        Some(id + FIRST)
    }

    fn set_closed(&mut self, closed: Closed) {
        self.hosts.closed[0].store(closed.network, Ordering::Release);
        self.hosts.closed[1].store(closed.registry, Ordering::Release);
    }

    fn set_watched(&mut self, watched: bool) {
        self.hosts.watched.store(watched, Ordering::Relaxed);
    }
}

/// The sockets of one host, under lock.
pub struct HeapPorts<L> {
    open: bool,
    death: Option<Death>,
    /// Allocated with the first socket: there may be many hosts, most of them idle.
    sockets: Option<Box<Sockets<L>>>,
}

impl<L> Default for HeapPorts<L> {
    fn default() -> Self {
        Self { open: true, death: None, sockets: None }
    }
}

impl<L> HeapPorts<L> {
    fn has_pair(&self, at: u16, peer: Peer) -> bool {
        self.sockets.as_ref().is_some_and(|sockets| sockets.has_pair(at, peer))
    }

    /// Exchanges the port of the dial in `slot` if its pair is taken at port `at` of `target`; no `target` is this
    /// host. Returns the port that the dial has then.
    fn exchange(
        &mut self,
        slot: u32,
        peer: Peer,
        target: Option<&Self>,
        at: u16,
        taken: impl FnOnce(),
    ) -> Result<u16, Cause> {
        let Some(own) = &mut self.sockets else { return Ok(peer.port) };
        let there = target.map_or(Some(&**own), |target| target.sockets.as_deref());
        let Some(there) = there.filter(|there| there.has_pair(at, peer)) else { return Ok(peer.port) };
        let port = own.lowest_pair(peer.host, there, at).ok_or(Cause::Full(Resource::Ports, CAPACITY))?;
        own.unbind(slot);
        own.bind(slot, Bind::Exact(port))?;
        taken();
        Ok(port)
    }
}

impl<L> fmt::Debug for HeapPorts<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeapPorts({})", self.count())
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

    fn death(&self) -> Option<Death> {
        self.death
    }

    #[inline]
    fn insert(&mut self, bind: Bind, state: State<L, ManyWakers>) -> Result<u32, Cause> {
        self.sockets.get_or_insert_default().insert(bind, state)
    }

    #[inline(always)]
    fn bind(&mut self, slot: u32, bind: Bind) -> Result<(), Cause> {
        self.sockets.get_or_insert_default().bind(slot, bind)
    }

    #[inline]
    fn socket(&mut self, slot: u32) -> Option<&mut Socket<L, ManyWakers>> {
        self.sockets.as_mut()?.socket(slot)
    }

    #[inline]
    fn unbind(&mut self, slot: u32) {
        if let Some(sockets) = &mut self.sockets {
            sockets.unbind(slot);
        }
    }

    #[inline(always)]
    fn remove(&mut self, slot: u32) -> Option<State<L, ManyWakers>> {
        self.sockets.as_mut()?.remove(slot)
    }

    #[inline]
    fn listener(&self, port: u16) -> Option<u32> {
        self.sockets.as_ref()?.listener(port)
    }

    fn count(&self) -> u32 {
        self.sockets.as_ref().map_or(0, |sockets| sockets.count())
    }

    fn capacity(&self) -> u32 {
        CAPACITY
    }

    fn next(&self, slot: u32) -> Option<u32> {
        self.sockets.as_ref()?.next(slot)
    }
}

/// Most sockets are connections, so the values of listeners and requests are boxed.
impl SocketLayout for ManyWakers {
    type MaybeBoxed<T> = Box<T>;
    type Dial = OneWaker;
}

impl<T> MaybeBoxed<T> for Box<T> {
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
