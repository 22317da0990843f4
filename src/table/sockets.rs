//! The sockets of one host, on the heap.

use alloc::vec::Vec;

use hashbrown::HashTable;

use super::bitmap::PortSet;
use super::hash::hash;
use super::pairs::PairSet;
use super::{Bind, NIL, Peer, PortHold, Socket, State};
use crate::error::cause::{Cause, Resource};
use crate::wait::waker::ManyWakers;

/// The sockets of one host: as many as there are ports, and more that have no port yet.
pub(super) struct Sockets<L> {
    taken: PortSet,
    rows: Vec<Row<L>>,
    /// The first free row, or `NIL`.
    free: u32,
    /// How many rows are used.
    used: u32,
    /// The ports of listeners, including those that connections share. A taken port that is missing here is held by a
    /// single socket that does not listen.
    servers: HashTable<Server>,
    /// The shared ports and peers of those connections.
    pairs: PairSet,
}

/// How many ports there are.
pub(super) const CAPACITY: u32 = u16::MAX as u32;

impl<L> Default for Sockets<L> {
    fn default() -> Self {
        let (taken, pairs) = (PortSet::default(), PairSet::default());
        Self { taken, rows: Vec::new(), free: NIL, used: 0, servers: HashTable::new(), pairs }
    }
}

enum Row<L> {
    Used(Socket<L, ManyWakers>),
    /// The next free row, or `NIL`.
    Free(u32),
}

/// The sockets at a port that a listener holds, or held.
struct Server {
    port: u16,
    /// The listener's slot, or `NIL`.
    listener: u32,
    /// The number of connections that share the port.
    connections: u32,
}

impl<L> Sockets<L> {
    fn server(&self, port: u16) -> Option<&Server> {
        self.servers.find(hash(&port.to_ne_bytes()), |server| server.port == port)
    }

    /// Takes a port for the socket in `slot`. Returns it, and how the socket holds it.
    #[inline]
    fn take_port(&mut self, bind: Bind, slot: u32, listens: bool) -> Result<(u16, PortHold), Cause> {
        let (port, hold) = match bind {
            Bind::None => return Ok((0, PortHold::None)),
            Bind::Lowest => (self.taken.take_lowest().ok_or(Cause::Full(Resource::Ports, CAPACITY))?, PortHold::Alone),
            Bind::Exact(port) => {
                let free = !self.taken.contains(port) || self.server(port).is_some_and(|server| server.listener == NIL);
                if !free {
                    return Err(Cause::AddrInUse);
                }
                self.taken.insert(port);
                (port, PortHold::Alone)
            }
            Bind::Shared(port, peer) => {
                self.share(port, peer)?;
                (port, PortHold::Shared)
            }
        };
        if listens || hold == PortHold::Shared {
            self.serve(port, slot, listens);
        }
        Ok((port, hold))
    }

    /// Records a pair at a shared port, if it is a new one.
    #[cold]
    fn share(&mut self, port: u16, peer: Peer) -> Result<(), Cause> {
        if self.pairs.contains(port, peer) {
            return Err(Cause::AddrInUse);
        }
        self.pairs.insert(port, peer);
        self.taken.insert(port);
        Ok(())
    }

    #[cold]
    fn add_row(&mut self) {
        if self.rows.len() == self.rows.capacity() {
            // Grow by a quarter instead of doubling: rows are most of a host's memory.
            self.rows.reserve_exact((self.rows.len() / 4).max(4));
        }
        self.rows.push(Row::Free(NIL));
    }

    /// Records a listener, or a connection that shares its port.
    #[cold]
    fn serve(&mut self, port: u16, slot: u32, listens: bool) {
        let (key, new) = (hash(&port.to_ne_bytes()), Server { port, listener: NIL, connections: 0 });
        let entry = self.servers.entry(key, |s| s.port == port, |s| hash(&s.port.to_ne_bytes()));
        let mut entry = entry.or_insert(new);
        let server = entry.get_mut();
        if listens { server.listener = slot } else { server.connections += 1 }
    }

    #[inline]
    pub(super) fn insert(&mut self, bind: Bind, state: State<L, ManyWakers>) -> Result<u32, Cause> {
        let slot = if self.free == NIL { self.rows.len() as u32 } else { self.free };
        if slot == NIL {
            return Err(Cause::Full(Resource::Ports, NIL));
        }
        let (port, hold) = self.take_port(bind, slot, matches!(state, State::Listener(_)))?;
        if self.free == NIL {
            self.add_row();
        }
        let row = &mut self.rows[slot as usize];
        if let Row::Free(next) = *row {
            self.free = next;
        }
        *row = Row::Used(Socket { port, hold, ..Socket::new(state) });
        self.used += 1;
        Ok(slot)
    }

    #[inline(always)]
    pub(super) fn bind(&mut self, slot: u32, bind: Bind) -> Result<(), Cause> {
        let (port, hold) = self.take_port(bind, slot, false)?;
        if let Some(socket) = self.socket(slot) {
            (socket.port, socket.hold) = (port, hold);
            if let Bind::Shared(_, peer) = bind {
                socket.peer = peer;
            }
        }
        Ok(())
    }

    /// Whether a connection that shares this port has this peer.
    pub(super) fn has_pair(&self, port: u16, peer: Peer) -> bool {
        self.pairs.contains(port, peer)
    }

    /// The lowest port that is free here and from which this host, numbered `host`, has no connection at port `at` of
    /// `target`.
    pub(super) fn lowest_pair(&self, host: u32, target: &Self, at: u16) -> Option<u16> {
        (0..1024).find_map(|index| {
            let free = !(self.taken.word(index) | target.pairs.word(at, host, index));
            (free != 0).then(|| (index << 6) + free.trailing_zeros() as u16)
        })
    }

    #[inline]
    pub(super) fn socket(&mut self, slot: u32) -> Option<&mut Socket<L, ManyWakers>> {
        match self.rows.get_mut(slot as usize)? {
            Row::Used(socket) => Some(socket),
            Row::Free(_) => None,
        }
    }

    #[inline]
    pub(super) fn unbind(&mut self, slot: u32) {
        let Some(socket) = self.socket(slot) else { return };
        let hold = core::mem::replace(&mut socket.hold, PortHold::None);
        let (port, peer, listens) = (socket.port, socket.peer, matches!(socket.state, State::Listener(_)));
        if hold == PortHold::None {
            return;
        }
        if hold == PortHold::Alone && !listens {
            self.taken.remove(port);
            return;
        }
        self.unserve(port, listens, (hold == PortHold::Shared).then_some(peer));
    }

    /// Records that a listener is gone, or a connection with this peer that shared its port.
    #[cold]
    fn unserve(&mut self, port: u16, listens: bool, peer: Option<Peer>) {
        if let Some(peer) = peer {
            self.pairs.remove(port, peer);
        }
        let Ok(mut entry) = self.servers.find_entry(hash(&port.to_ne_bytes()), |s| s.port == port) else { return };
        let server = entry.get_mut();
        if listens {
            server.listener = NIL
        } else {
            server.connections -= 1
        }
        if server.listener == NIL && server.connections == 0 {
            entry.remove();
            self.taken.remove(port);
        }
    }

    #[inline(always)]
    pub(super) fn remove(&mut self, slot: u32) -> Option<State<L, ManyWakers>> {
        self.unbind(slot);
        let row = self.rows.get_mut(slot as usize)?;
        let Row::Used(socket) = row else { return None };
        let state = core::mem::replace(&mut socket.state, State::Free);
        *row = Row::Free(self.free);
        self.free = slot;
        self.used -= 1;
        Some(state)
    }

    #[inline]
    pub(super) fn listener(&self, port: u16) -> Option<u32> {
        self.server(port).map(|server| server.listener).filter(|&slot| slot != NIL)
    }

    pub(super) fn count(&self) -> u32 {
        self.used
    }

    pub(super) fn next(&self, slot: u32) -> Option<u32> {
        let rows = self.rows.iter().enumerate().skip(slot as usize);
        rows.filter(|(_, row)| matches!(row, Row::Used(_))).map(|(at, _)| at as u32).next()
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use alloc::sync::Arc;

    use super::*;

    #[test]
    fn a_row_is_small() {
        assert_eq!(size_of::<Row<(Arc<()>, bool)>>(), 40);
    }
}
