//! The sockets in a snapshot.

use core::fmt::{self, Write as _};
use core::num::NonZero;

use crate::addr::Addr;
use crate::addr::name::ErrorText;
use crate::contract::engine::{Engine, LinkStatus};
use crate::net::host::Host;
use crate::net::net_ref::NetRef;
use crate::table::{MaybeBoxed, Ports, RequestPhase, State, Tables};
use crate::wait::waker::Wakers;

/// A socket in a [`Snapshot`](super::Snapshot) or a [`LiveView`](super::LiveView). Prints as a line of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SocketRow {
    local: Addr,
    peer: Option<Addr>,
    state: SocketState,
    number: u64,
}

/// The state of a socket, and the tasks that wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SocketState {
    /// A listener.
    #[non_exhaustive]
    Listening {
        /// Dials that wait to be accepted.
        queued: u32,
        /// How many dials may wait.
        backlog: u32,
        /// Tasks that wait to accept.
        acceptors: u32,
    },
    /// A pending dial, or a completed one that has not been polled since. Its peer is not known: another socket is
    /// [`Queued`](SocketState::Queued) for it at the listener, or connected to it.
    #[non_exhaustive]
    Dialling {
        /// Whether a task waits for it.
        waits: bool,
    },
    /// The request of a dial, queued at a listener. It shows the listener's port until it has a port of its own.
    Queued,
    /// A connection.
    Connected(LinkStatus),
    /// A closed socket with an open handle, or a refused dial that has not been polled since. Its port is free again,
    /// but its slot in the table is not.
    Closed,
}

impl SocketRow {
    /// The socket's local address. Port 0 means that it has no port.
    #[must_use]
    pub fn local_addr(&self) -> Addr {
        self.local
    }

    /// The address of the peer, if it is known. Listeners and pending dials have none.
    #[must_use]
    pub fn peer_addr(&self) -> Option<Addr> {
        self.peer
    }

    /// The number of a connection, if it has one; see [`Conn::number`](crate::Conn::number).
    #[must_use]
    pub fn number(&self) -> Option<NonZero<u64>> {
        NonZero::new(self.number)
    }

    /// The state of the socket, and the tasks that wait for it.
    #[must_use]
    pub fn state(&self) -> SocketState {
        self.state
    }
}

impl fmt::Display for SocketRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waits = |tasks: u32, what: &'static str| (tasks > 0).then_some((tasks, what));
        let none = (0, 0, [None, None]);
        let (name, (received, sent, waiting), arrow) = match self.state {
            SocketState::Listening { queued, backlog, acceptors } => {
                ("listening", (queued as usize, backlog as usize, [waits(acceptors, "accept"), None]), "")
            }
            SocketState::Dialling { waits: it } => ("dialling", (0, 0, [waits(it.into(), "dial"), None]), ""),
            SocketState::Queued => ("queued", none, "<-"),
            SocketState::Connected(LinkStatus {
                to_read,
                to_write,
                readers,
                writers,
                read_closed,
                write_closed,
                ..
            }) => {
                let arrow = match (read_closed, write_closed) {
                    (false, false) => "<->",
                    (true, false) => "->",
                    (false, true) => "<-",
                    (true, true) => "-",
                };
                ("connected", (to_read, to_write, [waits(readers, "read"), waits(writers, "write")]), arrow)
            }
            SocketState::Closed => ("closed", none, "-"),
        };
        let mut told = ErrorText::EMPTY;
        for (tasks, what) in waiting.into_iter().flatten() {
            write!(told, "{}{tasks} to {what}", if told.as_str().is_empty() { "" } else { ", " })?;
        }
        let told = if told.as_str().is_empty() { "-" } else { told.as_str() };
        line(f, [name, told], [&received, &sent, &self.local])?;
        self.peer.map_or(Ok(()), |peer| write!(f, " {arrow} {peer}"))?;
        let peer_gone = matches!(self.state, SocketState::Connected(status) if status.peer_gone);
        f.write_str(if peer_gone { " (peer is gone)" } else { "" })?;
        #[cfg(feature = "sim")]
        if let SocketState::Connected(LinkStatus { delay: Some(delay), .. }) = self.state {
            write!(f, " ({delay})")?;
        }
        Ok(())
    }
}

/// Writes a line of the table. Its last column may have any width.
pub(super) fn line(
    f: &mut fmt::Formatter<'_>,
    [state, waiting]: [&str; 2],
    [received, sent, addr]: [&dyn fmt::Display; 3],
) -> fmt::Result {
    write!(f, "{state:<10}{received:>8}{sent:>8}  {waiting:<21} {addr}")
}

/// The sort key of a host's sockets: port, then slot.
pub(super) type Key = (u16, u32);

/// The key of the socket in a slot.
pub(super) fn key<P: Ports>(ports: &mut P, slot: u32) -> Option<Key> {
    let socket = ports.socket(slot)?;
    let port = match &socket.state {
        State::Request(request) if socket.port == 0 && is_queued(request.value().phase) => {
            let listener = request.value().listener.get();
            ports.socket(listener)?.port
        }
        _ => socket.port,
    };
    Some((port, slot))
}

fn is_queued(phase: RequestPhase) -> bool {
    !matches!(phase, RequestPhase::Refused | RequestPhase::NoPort)
}

/// The row of the socket with this key, if the socket still exists.
pub(super) fn row<N: NetRef>(host: &Host<N>, key: Key) -> Option<SocketRow> {
    let Host { net, host: of } = host;
    let backlog = net.options.backlog;
    let (peer, state, link) = net.tables.ports(of, |ports| {
        if self::key(ports, key.1) != Some(key) {
            return None;
        }
        let socket = ports.socket(key.1)?;
        let mut link = None;
        let state = match &socket.state {
            State::Free => return None,
            State::Dialling(wakers) => SocketState::Dialling { waits: !wakers.is_empty() },
            State::Listener(queue) => {
                let queue = queue.value();
                SocketState::Listening { queued: queue.len.get(), backlog, acceptors: queue.acceptors.count() as u32 }
            }
            State::Request(request) if is_queued(request.value().phase) => SocketState::Queued,
            State::Connected(known) => {
                link = Some(known.clone());
                SocketState::Connected(LinkStatus::default())
            }
            State::Request(_) | State::Closed => SocketState::Closed,
        };
        Some((socket.peer, state, link))
    })?;
    let number = link.as_ref().map_or(0, |link| net.engine.number(link));
    let state = link.map_or(state, |link| SocketState::Connected(net.engine.status(&link)));
    let known = peer.port != 0;
    Some(SocketRow { local: host.addr(key.0), peer: known.then(|| net.addr(peer.host, peer.port)), state, number })
}
