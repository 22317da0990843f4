//! The merged events of a trace, in the order of their tickets.
//!
//! Events are interpreted when they are merged: ends get their addresses, writes and reads their offsets, and repeated
//! failures are left out. So the events that a full trace drops take nothing along that a later one needs.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;
use core::ops::Range;

use crate::addr::Addr;
use crate::addr::name::{ErrorText, HostName, NetworkName};
use crate::error::cause::Cause;
use crate::error::kind::ErrorKind;
use crate::error::{Error, Operation};
use crate::trace::conn::Conns;
use crate::trace::event::Event;
use crate::trace::frozen::Frozen;
use crate::trace::shard::{Collected, Item, Load, Rare, Raw, Shards};
use crate::trace::slot::{Chunk, Code, Names, Slot};
use crate::wait::waker::{ManyWakers, Wakers};

/// How much a trace keeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Events, those of the head included.
    pub(super) events: u64,
    /// Events that are never dropped, from the first on.
    pub(super) head: u64,
    /// Bytes of memory for events.
    pub(super) memory: usize,
    /// Bytes of each write and read.
    pub(super) keep: u32,
}

pub(super) struct Log {
    bounds: Bounds,
    names: Arc<Names>,
    /// The numbers of hosts in `names`.
    hosts: BTreeMap<HostName, u32>,
    /// The numbers of actors, by their keys.
    actors: BTreeMap<u64, u32>,
    /// The actor of the last event, with its key.
    actor: (u64, u32),
    conns: Conns,
    /// Listeners of which a failed accept was recorded.
    told: BTreeSet<(u16, u32, u16)>,
    /// Whole chunks. Those of the head come first.
    chunks: VecDeque<Arc<Chunk>>,
    /// How many of `chunks` are of the head.
    heads: usize,
    /// The memory that `chunks` take.
    size: usize,
    /// The chunk that is being filled.
    last: Chunk,
    /// The number of the last event.
    seq: u64,
    /// The numbers of events that were missing from the start.
    lost: Range<u64>,
    /// Events that were collected, and are above the watermark.
    collected: Collected,
    /// Tasks that wait for events.
    wakers: ManyWakers,
}

/// So many events, or bytes, make a chunk.
const CHUNK: (usize, usize) = (1024, 1 << 18);

impl Log {
    pub(super) fn new(bounds: Bounds) -> Self {
        let names = Names { hosts: [HostName::EMPTY].into(), networks: [NetworkName::EMPTY].into() };
        Self {
            bounds,
            names: names.into(),
            hosts: BTreeMap::new(),
            actors: BTreeMap::new(),
            actor: (0, 0),
            conns: Conns::default(),
            told: BTreeSet::new(),
            chunks: VecDeque::new(),
            heads: 0,
            size: 0,
            last: Chunk { keep: bounds.keep, ..Chunk::default() },
            seq: 0,
            lost: 0..0,
            collected: Collected::default(),
            wakers: ManyWakers::default(),
        }
    }

    /// Moves all events from the shards into the log, and merges them if they are many or awaited. Else a view merges
    /// them, so that interpreting them costs the recording threads nothing.
    pub(super) fn gather(&mut self, shards: &Shards) -> Option<ManyWakers> {
        let watermark = shards.collect(&mut self.collected);
        let Bounds { events, memory, .. } = self.bounds;
        let are_many = self.collected.items.len() as u64 > events || self.collected.size() > memory / 8;
        if are_many || !self.wakers.is_empty() { self.merge_below(watermark) } else { None }
    }

    /// Moves all events below the watermark from the shards into the log. Returns the wakers to wake if there were any.
    pub(super) fn merge(&mut self, shards: &Shards) -> Option<ManyWakers> {
        let watermark = shards.collect(&mut self.collected);
        self.merge_below(watermark)
    }

    fn merge_below(&mut self, watermark: u64) -> Option<ManyWakers> {
        let mut collected = mem::take(&mut self.collected);
        collected.items.sort_by_key(|item| item.ticket);
        let before = self.seq;
        let (below, above) = collected.items.split_at(collected.items.partition_point(|item| item.ticket < watermark));
        below.iter().for_each(|item| self.add(item, &collected));
        above.iter().for_each(|item| self.collected.push(*item, collected.load(item)));
        if above.is_empty() {
            // Their memory is used again.
            collected.clear();
            self.collected = collected;
        }
        (self.seq != before).then(|| self.wakers.take())
    }

    /// The number of the last event.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// The number for another network.
    pub(super) fn add_network(&mut self) -> u16 {
        let names = Arc::make_mut(&mut self.names);
        names.networks.push(NetworkName::EMPTY);
        (names.networks.len() - 1).min(u16::MAX.into()) as u16
    }

    /// The tasks that wait for events.
    pub(super) fn wakers(&mut self) -> &mut ManyWakers {
        &mut self.wakers
    }

    /// Of at most `most` events from number `next` on those that are wanted. Also returns how many from there on were
    /// dropped, and the number of the event that follows.
    pub(super) fn events(&self, next: u64, most: usize, reads: bool) -> (u64, VecDeque<Box<Event>>, u64) {
        let dropped = self.dropped();
        let lost = if dropped.contains(&next) { dropped.end - next } else { 0 };
        let next = next + lost;
        let end = if next < dropped.start { dropped.start } else { u64::MAX };
        let at = self.chunks.partition_point(|chunk| chunk.slots.last().is_some_and(|last| last.seq < next));
        let chunks = self.chunks.range(at..).map(|chunk| &**chunk).chain([&self.last]);
        let slots = chunks.flat_map(|chunk| {
            let start = chunk.slots.partition_point(|slot| slot.seq < next);
            chunk.slots[start..].iter().map(move |slot| (chunk, slot))
        });
        let slots = slots.filter(|(_, slot)| slot.code.is_event()).take_while(|(_, slot)| slot.seq < end).take(most);
        let (mut events, mut after) = (VecDeque::new(), next);
        for (chunk, slot) in slots {
            after = slot.seq + 1;
            if reads || slot.code != Code::Read {
                events.push_back(Box::new(chunk.event(slot, &self.names)));
            }
        }
        (lost, events, after)
    }

    pub(super) fn freeze(&self) -> Frozen {
        let last = (!self.last.slots.is_empty()).then(|| Arc::new(self.last.clone()));
        let chunks = self.chunks.iter().cloned().chain(last).collect();
        Frozen::new(self.names.clone(), chunks, self.dropped())
    }

    /// The numbers of the events that are dropped, or about to be.
    pub(super) fn dropped(&self) -> Range<u64> {
        if !self.lost.is_empty() {
            return self.lost.clone();
        }
        let Bounds { events, head, .. } = self.bounds;
        let by_count = self.seq.saturating_sub(events.saturating_sub(head));
        let behind = self.chunks.get(self.heads).map_or(&self.last, |chunk| chunk);
        let first = behind.slots.iter().find(|slot| slot.code.is_event());
        let by_size = first.map_or(self.seq, |first| first.seq - 1);
        let start = head.min(self.seq) + 1;
        start..(by_count.max(by_size) + 1).max(start)
    }

    /// The addresses of an end of a connection, its own first.
    pub(super) fn ends(&mut self, network: u16, end: u32) -> [Addr; 2] {
        let (hosts, ports) = self.conns.get(network, end).seen_from(end);
        let name = self.names.network(network);
        [0, 1].map(|side| Addr { network: name, host: self.names.host(hosts[side]), port: ports[side] })
    }

    /// The number of an actor.
    pub(super) fn actor_of(&mut self, key: u64) -> u32 {
        let next = self.actors.len() as u32 + 1;
        *self.actors.entry(key).or_insert(next)
    }

    /// These events are missing, as they were when they were written to a file.
    #[cfg(feature = "json")]
    pub(super) fn lose(&mut self, lost: Range<u64>) {
        self.seq = lost.end - 1;
        self.lost = lost;
    }

    /// Of the `count` bytes of the next event, so many are kept: as many as of the others in the chunk, or a new one.
    #[cfg(feature = "json")]
    pub(super) fn keep(&mut self, count: u32, kept: u32) {
        if count.min(self.last.keep) != kept {
            if !self.last.slots.is_empty() {
                self.end_chunk();
            }
            self.last.keep = if kept < count { kept } else { u32::MAX };
        }
    }

    /// Adds an event.
    fn add(&mut self, item: &Item, collected: &Collected) {
        let (network, bytes) = (item.network, collected.bytes(item));
        let actor = self.actor(item, collected);
        let mut slot = Slot { network, ..Slot::new(Code::Note, self.seq + 1, item.at, actor) };
        match &item.raw {
            &Raw::Wrote { end, count, of } => {
                (slot.code, slot.count, slot.of) = (Code::Wrote, count, of);
                let conn = self.conns.get(network, end);
                slot.offset = conn.wrote(end, count, of);
                conn.fill(end, &mut slot);
                self.push_bytes(slot, bytes);
            }
            &Raw::Taken { end, count, of } => {
                (slot.code, slot.count, slot.of) = (Code::Taken, count, of);
                let conn = self.conns.get(network, end);
                slot.offset = conn.taken(end, count, of);
                conn.fill(end, &mut slot);
                self.push(slot);
            }
            &Raw::Read { end, count } => {
                (slot.code, slot.count) = (Code::Read, count);
                let conn = self.conns.get(network, end);
                slot.offset = conn.read(end, count);
                conn.fill(end, &mut slot);
                self.push_bytes(slot, bytes);
            }
            &Raw::Ended { end } => {
                slot.code = Code::Ended;
                self.conns.get(network, end).fill(end, &mut slot);
                self.push(slot);
            }
            &Raw::Shut { end, how, .. } if !self.conns.shut(network, end, how) => {}
            &Raw::Shut { end, how, reset } => {
                (slot.code, slot.flag) = (Code::Shut(how), reset);
                self.conns.get(network, end).fill(end, &mut slot);
                self.push(slot);
                if how.closes() {
                    self.conns.close(network, end);
                }
            }
            Raw::Rare => {
                if let Load::Rare(rare) = collected.load(item) {
                    self.add_rare(slot, rare, item.hidden);
                }
            }
            Raw::Note => self.push_bytes(Slot { code: Code::Note, count: bytes.len() as u32, ..slot }, bytes),
            Raw::Fault => self.push_bytes(Slot { code: Code::Fault, count: bytes.len() as u32, ..slot }, bytes),
            Raw::FaultEnded => {
                self.push_bytes(Slot { code: Code::FaultEnded, count: bytes.len() as u32, ..slot }, bytes);
            }
            Raw::NetworkClosed => {
                self.conns.close_all(network, None);
                self.push(Slot { code: Code::NetworkClosed, ..slot });
            }
            &Raw::Token(number) => self.push(Slot { code: Code::Token, offset: number, seq: self.seq, ..slot }),
            &Raw::Joined(number) => self.push(Slot { code: Code::Joined, offset: number, seq: self.seq, ..slot }),
            Raw::Paused => self.conns.tear(),
        }
    }

    fn add_rare(&mut self, mut slot: Slot, rare: &Rare, hidden: bool) {
        let network = slot.network;
        match rare {
            Rare::Opened { conn, src, dst } => {
                let hosts = [self.host(network, src), self.host(network, dst)];
                return self.conns.open(network, *conn, hosts, [src.port, 0]);
            }
            Rare::Accepted { end, listener, local, peer } => {
                slot.hosts = [self.host(network, local), self.host(network, peer)];
                slot.ports = [local.port, peer.port, listener.port];
                (slot.code, slot.end) = (Code::Accepted, *end);
                let conn = self.conns.accepted(network, *end);
                (conn.hosts, conn.ports) = ([slot.hosts[1], slot.hosts[0]], [peer.port, local.port]);
            }
            Rare::Connected { end, dialled, peer } => {
                let conn = self.conns.get(network, *end);
                conn.ports[1] = peer.port;
                let (hosts, ports) = conn.seen_from(*end);
                slot.hosts = [hosts[0], self.host(network, dialled)];
                slot.ports = [ports[0], peer.port, dialled.port];
                (slot.code, slot.end) = (Code::Connected, *end);
                self.conns.connected(network, slot.hosts[0], slot.ports[0]);
            }
            Rare::HostMade(host) => (slot.code, slot.hosts[0]) = (Code::HostMade, self.host_number(host)),
            Rare::HostClosed(host) => {
                (slot.code, slot.hosts[0]) = (Code::HostClosed, self.host_number(host));
                self.conns.close_all(network, Some(slot.hosts[0]));
            }
            Rare::HostDied(host, power_off) => {
                (slot.code, slot.hosts[0]) = (Code::HostDied, self.host_number(host));
                slot.flag = *power_off;
                self.conns.close_all(network, Some(slot.hosts[0]));
            }
            Rare::HostBack(host) => (slot.code, slot.hosts[0]) = (Code::HostBack, self.host_number(host)),
            Rare::Listened(addr) => {
                (slot.code, slot.hosts[0]) = (Code::Listened, self.host(network, addr));
                slot.ports[0] = addr.port;
                self.told.remove(&(network, slot.hosts[0], addr.port));
            }
            Rare::ListenerClosed(addr, dropped) => {
                (slot.code, slot.hosts[0]) = (Code::ListenerClosed, self.host(network, addr));
                (slot.ports[0], slot.flag) = (addr.port, *dropped);
            }
            Rare::Dialled { src, dst } | Rare::Withdrawn { src, dst } => {
                let withdrawn = matches!(rare, Rare::Withdrawn { .. });
                slot.code = if withdrawn { Code::Withdrawn } else { Code::Dialled };
                slot.hosts = [self.host(network, src), self.host(network, dst)];
                slot.ports = [src.port, dst.port, 0];
                if withdrawn {
                    self.conns.dial_failed(network, slot.hosts[0], src.port);
                }
            }
            Rare::Failed(error, end) => return self.add_failed(slot, error, *end),
            Rare::NetworkDown(cause) => {
                self.conns.close_all(network, None);
                slot.code = Code::NetworkDown;
                return self.push_cause(slot, *cause);
            }
        }
        if !hidden {
            self.push(slot);
        }
    }

    /// Adds a failure, unless it repeats another.
    fn add_failed(&mut self, mut slot: Slot, error: &Error, end: Option<u32>) {
        let network = slot.network;
        let operation = error.operation();
        if !error.network_name().is_cut() {
            self.name_network(network, NetworkName::of(error.network_name().as_str(), "").0);
        }
        slot.code = Code::Failed;
        self.name_sides(error, &mut slot);
        let [(host, port), _] = [(slot.hosts[0], slot.ports[0]), (slot.hosts[1], slot.ports[1])];
        let is_news = match (operation, end) {
            _ if error.kind() == ErrorKind::WouldBlock => false,
            (Operation::Read | Operation::Write | Operation::Shutdown, Some(end)) => {
                slot.end = end;
                self.conns.get(network, end).is_news(end, operation != Operation::Read, error.kind())
            }
            (Operation::Accept, _) => error.kind() == ErrorKind::TimedOut || self.told.insert((network, host, port)),
            (Operation::Dial, _) => {
                self.conns.dial_failed(network, host, port);
                true
            }
            _ => true,
        };
        if is_news {
            self.push_error(slot, error);
        }
    }

    /// Gives a failure its addresses.
    pub(super) fn name_sides(&mut self, error: &Error, slot: &mut Slot) {
        let known = |addr: Option<(ErrorText, u16)>| {
            addr.and_then(|(host, port)| Some((HostName::valid(host.as_str(), "")?, port)))
        };
        let sides = match error.operation() {
            Operation::Read | Operation::Accept | Operation::Listen => [error.addr(), error.source_addr()],
            _ => [error.source_addr(), error.addr()],
        };
        for (side, addr) in sides.map(known).into_iter().enumerate() {
            if let Some((host, port)) = addr {
                (slot.hosts[side], slot.ports[side]) = (self.host_number(&host), port);
            }
        }
    }

    /// Adds a failure.
    pub(super) fn push_error(&mut self, slot: Slot, error: &Error) {
        let data = self.last.errors.len() as u32;
        self.last.errors.push(*error);
        self.push(Slot { data, ..slot });
    }

    /// Adds the failure of a network.
    pub(super) fn push_cause(&mut self, slot: Slot, cause: Cause) {
        let data = self.last.causes.len() as u32;
        self.last.causes.push(cause);
        self.push(Slot { data, ..slot });
    }

    /// Adds an event with bytes, or text.
    #[inline]
    pub(super) fn push_bytes(&mut self, mut slot: Slot, bytes: &[u8]) {
        slot.data = self.last.bytes.len() as u32;
        self.last.bytes.extend_from_slice(bytes);
        self.push(slot);
    }

    #[inline]
    pub(super) fn push(&mut self, slot: Slot) {
        self.seq = slot.seq;
        self.last.slots.push(slot);
        let is_full = self.last.slots.len() >= CHUNK.0 || self.last.bytes.len() >= CHUNK.1;
        if is_full || self.seq == self.bounds.head {
            self.end_chunk();
        }
    }

    #[cold]
    fn end_chunk(&mut self) {
        let keep = self.bounds.keep;
        // Where there is one whole chunk, there will be others.
        let slots = Vec::with_capacity(self.last.slots.len().min(CHUNK.0));
        let whole = mem::replace(&mut self.last, Chunk { keep, slots, ..Chunk::default() });
        self.size += whole.size();
        self.heads += usize::from(self.seq <= self.bounds.head);
        self.chunks.push_back(whole.into());
        self.shrink();
    }

    /// Drops the oldest chunks behind the head that are not needed, or too large.
    fn shrink(&mut self) {
        while let Some(oldest) = self.chunks.get(self.heads) {
            let newest = oldest.slots.last().map_or(0, |slot| slot.seq);
            if newest >= self.dropped().end && self.size <= self.bounds.memory {
                break;
            }
            self.size -= oldest.size();
            self.chunks.remove(self.heads);
        }
    }

    /// The number of the actor of an event; 0 for an item that is no event.
    #[inline]
    fn actor(&mut self, item: &Item, collected: &Collected) -> u32 {
        let opens = || matches!(collected.load(item), Load::Rare(Rare::Opened { .. }));
        if item.hidden || matches!(item.raw, Raw::Rare) && opens() {
            return 0;
        }
        if self.actor.0 != item.actor || self.actor.1 == 0 {
            self.actor = (item.actor, self.actor_of(item.actor));
        }
        self.actor.1
    }

    /// The number of the host of an address, which may tell the name of its network.
    fn host(&mut self, network: u16, addr: &Addr) -> u32 {
        self.name_network(network, addr.network);
        self.host_number(&addr.host)
    }

    pub(super) fn host_number(&mut self, host: &HostName) -> u32 {
        if let Some(&number) = self.hosts.get(host) {
            return number;
        }
        let number = self.names.hosts.len() as u32;
        Arc::make_mut(&mut self.names).hosts.push(*host);
        self.hosts.insert(*host, number);
        number
    }

    /// Names a network, unless it has a name.
    pub(super) fn name_network(&mut self, network: u16, name: NetworkName) {
        let known = self.names.networks.get(usize::from(network));
        if network == 0 || known.is_some_and(|known| !known.as_bytes().is_empty()) {
            return;
        }
        if let Some(place) = Arc::make_mut(&mut self.names).networks.get_mut(usize::from(network)) {
            *place = name;
        }
    }
}
