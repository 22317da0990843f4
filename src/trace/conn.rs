//! The connections of a trace: the addresses of their ends, how many bytes went each way, and which failures were told.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use crate::contract::observe::{ELSEWHERE, How};
use crate::error::kind::ErrorKind;
use crate::trace::slot::{NO_OFFSET, Slot};

/// The network and the number of a connection.
type Key = (u16, u32);

#[derive(Default)]
pub(super) struct Conns {
    /// The places of connections in `slab`.
    known: BTreeMap<Key, usize>,
    slab: Vec<Conn>,
    /// Unused places in `slab`.
    free: Vec<usize>,
    /// The places of connections that were used lately, by the low bits of their numbers.
    recent: [Option<(Key, usize)>; RECENT],
    /// The dials whose outcome is not known yet, by network, host and port.
    dialling: BTreeMap<(u16, u32, u16), u32>,
    /// Connections that are closed at both ends, from the oldest on. A few are kept, as operations on other threads may
    /// still be recorded.
    gone: VecDeque<Key>,
}

/// So many closed connections are kept.
const GONE: usize = 64;

/// So many connections are found without a search.
const RECENT: usize = 16;

/// A connection; the dialled end comes first.
#[derive(Clone, Debug)]
pub(super) struct Conn {
    /// The hosts of both ends, by number.
    pub(super) hosts: [u32; 2],
    pub(super) ports: [u16; 2],
    /// The bytes that each end sends.
    sends: [Direction; 2],
    /// Whether bytes may have been moved unseen, so that offsets are not known.
    torn: bool,
    closed: [bool; 2],
    /// For each end, the kinds of failed reads and of failed writes that were recorded.
    told: [[u32; 2]; 2],
    /// For each end, whether it was shut down for writing and for reading.
    shut: [[bool; 2]; 2],
}

#[derive(Clone, Debug, Default)]
struct Direction {
    sent: u64,
    received: u64,
    /// The offsets and sizes of a rendezvous' last offers that were not taken.
    offers: [Option<(u64, u32)>; OFFERS],
    /// The place of the next one, which has the oldest.
    next: usize,
}

/// So many offers are kept.
const OFFERS: usize = 4;

impl Conns {
    /// A dial from `hosts[0]` got its number.
    pub(super) fn open(&mut self, network: u16, conn: u32, hosts: [u32; 2], ports: [u16; 2]) {
        if conn >= ELSEWHERE {
            // Its other end is closed elsewhere.
            self.insert((network, conn), Conn { closed: [true, false], ..Conn::new(hosts, ports) });
            return;
        }
        self.insert((network, conn), Conn::new(hosts, ports));
        self.dialling.insert((network, hosts[0], ports[0]), conn);
    }

    /// The connection of an end; one that was never heard of has no addresses.
    #[inline]
    pub(super) fn get(&mut self, network: u16, end: u32) -> &mut Conn {
        let key = (network, end / 2);
        let at = match self.recent[key.1 as usize % RECENT] {
            Some((recent, at)) if recent == key => at,
            _ => self.find(key),
        };
        &mut self.slab[at]
    }

    #[cold]
    fn find(&mut self, key: Key) -> usize {
        let at = self.known.get(&key).copied().unwrap_or_else(|| {
            self.forget_later(key);
            self.insert(key, Conn { torn: true, closed: [true; 2], ..Conn::new([0; 2], [0; 2]) })
        });
        self.recent[key.1 as usize % RECENT] = Some((key, at));
        at
    }

    /// The connection of an end that was accepted. It is new if the dial is in another process.
    pub(super) fn accepted(&mut self, network: u16, end: u32) -> &mut Conn {
        let key = (network, end / 2);
        if !self.known.contains_key(&key) {
            let mut conn = Conn::new([0; 2], [0; 2]);
            conn.closed[1 - side(end)] = true;
            self.insert(key, conn);
        }
        self.get(network, end)
    }

    fn insert(&mut self, key: Key, conn: Conn) -> usize {
        let at = self.known.get(&key).copied().or_else(|| self.free.pop()).unwrap_or(self.slab.len());
        match self.slab.get_mut(at) {
            Some(place) => *place = conn,
            None => self.slab.push(conn),
        }
        self.known.insert(key, at);
        at
    }

    /// A connection is closed at both ends.
    fn forget_later(&mut self, key: Key) {
        self.gone.push_back(key);
        if self.gone.len() <= GONE {
            return;
        }
        let oldest = self.gone.pop_front().unwrap_or(key);
        self.recent[oldest.1 as usize % RECENT] = None;
        self.free.extend(self.known.remove(&oldest));
    }

    /// The dial from this port was accepted.
    pub(super) fn connected(&mut self, network: u16, host: u32, port: u16) {
        self.dialling.remove(&(network, host, port));
    }

    /// The dial from this port has failed. Its other end may have been accepted.
    pub(super) fn dial_failed(&mut self, network: u16, host: u32, port: u16) {
        if let Some(conn) = self.dialling.remove(&(network, host, port)) {
            self.close(network, 2 * conn);
            if self.get(network, 2 * conn).ports[1] == 0 {
                self.close(network, 2 * conn + 1);
            }
        }
    }

    /// An end is closed.
    pub(super) fn close(&mut self, network: u16, end: u32) {
        let conn = self.get(network, end);
        let before = core::mem::replace(&mut conn.closed[side(end)], true);
        if !before && conn.closed == [true; 2] {
            self.forget_later((network, end / 2));
        }
    }

    /// An end is shut down. Returns false if it was, in the same way: that is no event.
    pub(super) fn shut(&mut self, network: u16, end: u32, how: How) -> bool {
        let [writes, reads] = &mut self.get(network, end).shut[side(end)];
        match how {
            How::Shutdown => !core::mem::replace(writes, true),
            How::ShutdownRead => !core::mem::replace(reads, true),
            How::Close | How::Abort | How::Drop => true,
        }
    }

    /// All ends of a host, or of the whole network, are closed.
    pub(super) fn close_all(&mut self, network: u16, host: Option<u32>) {
        let of_network = self.known.range((network, 0)..=(network, u32::MAX));
        let ends: Vec<u32> = of_network
            .flat_map(|(&(_, conn), &at)| [0, 1].map(|side| (2 * conn + side, self.slab[at].hosts[side as usize])))
            .filter(|&(_, at)| host.is_none_or(|host| host == at))
            .map(|(end, _)| end)
            .collect();
        ends.into_iter().for_each(|end| self.close(network, end));
    }

    /// Bytes may have been moved unseen.
    pub(super) fn tear(&mut self) {
        self.slab.iter_mut().for_each(|conn| conn.torn = true);
    }
}

impl Conn {
    fn new(hosts: [u32; 2], ports: [u16; 2]) -> Self {
        Self {
            hosts,
            ports,
            sends: Default::default(),
            torn: false,
            closed: [false; 2],
            told: [[0; 2]; 2],
            shut: [[false; 2]; 2],
        }
    }

    /// Local and remote host, and local and remote port, as seen from an end.
    pub(super) fn seen_from(&self, end: u32) -> ([u32; 2], [u16; 2]) {
        let (local, peer) = (side(end), 1 - side(end));
        ([self.hosts[local], self.hosts[peer]], [self.ports[local], self.ports[peer]])
    }

    /// Gives an event of an end its addresses.
    pub(super) fn fill(&self, end: u32, slot: &mut Slot) {
        let (hosts, [local, peer]) = self.seen_from(end);
        (slot.end, slot.hosts, slot.ports) = (end, hosts, [local, peer, 0]);
    }

    /// `end` wrote, or offers; returns the offset.
    pub(super) fn wrote(&mut self, end: u32, count: u32, of: u32) -> u64 {
        let direction = &mut self.sends[side(end)];
        let offset = direction.sent;
        direction.sent += u64::from(count);
        // Only a rendezvous takes from it.
        if count == of {
            direction.offers[direction.next] = Some((offset, of));
            direction.next = (direction.next + 1) % OFFERS;
        }
        if self.torn { NO_OFFSET } else { offset }
    }

    /// The peer took `count` bytes of an offer of `end`; returns the offset.
    pub(super) fn taken(&mut self, end: u32, count: u32, of: u32) -> u64 {
        let direction = &mut self.sends[side(end)];
        let mut places = (direction.next..direction.next + OFFERS).map(|at| at % OFFERS);
        let Some(at) = places.find(|&at| direction.offers[at].is_some_and(|(_, offered)| offered == of)) else {
            return NO_OFFSET;
        };
        let offset = direction.offers[at].take().map_or(NO_OFFSET, |(offset, _)| offset);
        direction.sent -= u64::from(of - count.min(of));
        if self.torn { NO_OFFSET } else { offset }
    }

    /// `end` read; returns the offset.
    pub(super) fn read(&mut self, end: u32, count: u32) -> u64 {
        let direction = &mut self.sends[1 - side(end)];
        let offset = direction.received;
        direction.received += u64::from(count);
        if self.torn { NO_OFFSET } else { offset }
    }

    /// Whether a failed read or write of `end` is the first of its kind.
    pub(super) fn is_news(&mut self, end: u32, writes: bool, kind: ErrorKind) -> bool {
        let told = &mut self.told[side(end)][usize::from(writes)];
        let bit = 1 << kind as u32;
        let is_news = *told & bit == 0 || kind == ErrorKind::TimedOut;
        *told |= bit;
        is_news
    }
}

fn side(end: u32) -> usize {
    end as usize % 2
}
