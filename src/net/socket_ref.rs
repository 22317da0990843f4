//! References to a socket, held by listeners, connections and requests.

use crate::addr::Addr;
use crate::contract::engine::Engine;
use crate::contract::observe::Ticket;
use crate::error::cause::{Cause, Resource};
use crate::net::host::Host;
use crate::net::net_ref::{HostOf, NetRef, SlotOf};
use crate::table::{PortHold, Ports, Socket, Tables};

/// A reference to a socket of a host. Its holders own the slot, and the last one removes the socket from the table.
pub(crate) struct SocketRef<N: NetRef> {
    slot: SlotOf<N>,
    pub(crate) host: HostOf<N>,
    // The last field, so that the struct does not end in an associated type: rustc 1.95 cannot drop a slice of those.
    pub(crate) net: N,
}

/// A socket as the tables of `N` store it.
pub(crate) type SocketOf<N> =
    Socket<<<N as NetRef>::Tables as Tables>::Link, <<N as NetRef>::Tables as Tables>::Wakers>;

impl<N: NetRef> SocketRef<N> {
    #[cfg_attr(feature = "std", inline)]
    pub(crate) fn new(host: Host<N>, slot: u32) -> Self {
        let Host { net, host } = host;
        Self { net, host, slot: N::Tables::slot(slot) }
    }

    pub(crate) fn slot(&self) -> u32 {
        self.slot.into()
    }

    /// The host of the socket.
    pub(crate) fn host(&self) -> Host<N> {
        Host::new(self.net.clone(), self.host.clone())
    }

    /// Runs `step` on the sockets of the host, under their lock.
    #[cfg_attr(feature = "std", inline)]
    pub(crate) fn ports<R>(&self, step: impl FnOnce(&mut <N::Tables as Tables>::Ports<'_>) -> R) -> R {
        self.net.tables.ports(&self.host, step)
    }

    /// Runs `step` on the socket, under the lock of its host's sockets.
    pub(crate) fn socket<R>(&self, step: impl FnOnce(&mut SocketOf<N>) -> R) -> Option<R> {
        self.ports(|ports| ports.socket(self.slot()).map(step))
    }

    /// An address of the host.
    pub(crate) fn addr(&self, port: u16) -> Addr {
        Addr { network: self.net.full_name(), host: self.net.tables.name(&self.host), port }
    }

    /// The address of the socket itself.
    pub(crate) fn local_addr(&self) -> Addr {
        self.addr(self.socket(|socket| socket.port).unwrap_or_default())
    }

    /// The address of the other end.
    pub(crate) fn peer_addr(&self) -> Addr {
        let peer = self.socket(|socket| socket.peer).unwrap_or_default();
        self.net.addr(peer.host, peer.port)
    }

    /// A ticket for closing the socket, under the lock of `ports`. None if the engine does not observe, or if the socket
    /// or its host is closed already, which was reported.
    #[inline(always)]
    pub(crate) fn close_ticket(&self, ports: &mut <N::Tables as Tables>::Ports<'_>) -> Option<Ticket> {
        (N::Engine::OBSERVED && self.is_open(ports)).then(|| self.net.engine.ticket())
    }

    /// Whether neither the socket nor its host is closed.
    #[inline(always)]
    pub(crate) fn is_open(&self, ports: &mut <N::Tables as Tables>::Ports<'_>) -> bool {
        ports.is_open() && ports.socket(self.slot()).is_some_and(|socket| socket.hold != PortHold::None)
    }

    /// The cause for a host that has no port left for a connection from the socket's peer.
    #[cold]
    pub(crate) fn no_port(&self) -> Cause {
        let (peer, capacity) =
            self.ports(|ports| (ports.socket(self.slot()).map(|socket| socket.peer.host), ports.capacity()));
        if N::Tables::POOLED || peer == Some(self.net.tables.id(&self.host)) {
            return Cause::Full(Resource::Ports, capacity);
        }
        // A host has at most 65535 ports, so the cast is exact.
        Cause::PeerFull(self.net.tables.name(&self.host).as_str().into(), capacity as u16)
    }

    /// Why an operation on the socket fails: the network or the host if one of them is down, else `cause`.
    pub(crate) fn down_cause(&self, cause: Cause) -> Cause {
        self.net.down_cause(&self.host, cause)
    }
}

/// No field is ever pinned.
impl<N: NetRef> Unpin for SocketRef<N> {}

impl<N: NetRef> Clone for SocketRef<N> {
    fn clone(&self) -> Self {
        Self { net: self.net.clone(), host: self.host.clone(), slot: self.slot }
    }
}
