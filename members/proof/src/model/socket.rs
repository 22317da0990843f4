//! Sockets: their ports and states.

use super::{Addr, End, Host, Id, Model, Stream};
use crate::address::{self, Parsed};

/// A listener, a connection, the source of a dial, or a dial that waits at a listener.
#[derive(Clone, Debug, PartialEq)]
pub struct Socket {
    pub(super) host: Host,
    /// The port. It stays known after it was freed, and is 0 before it is assigned.
    pub(super) port: u16,
    /// Whether the socket holds that port.
    pub(super) bound: bool,
    /// Whether the socket shares that port with its listener.
    pub(super) shared: bool,
    /// Whether the program has a handle of the socket.
    pub(super) handle: bool,
    /// Whether the dial that the socket came from has yet to complete.
    pub(super) awaited: bool,
    pub(super) peer: Option<Addr>,
    /// Which life of its host the peer belongs to, of an accepted or queued connection.
    pub(super) peer_life: u32,
    /// The socket's end of a connection.
    pub(super) end: Option<(Id, usize)>,
    pub(super) state: State,
}

/// The state of a socket.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    /// The source of a dial.
    Dialling,
    /// A listener: the queued requests in order, and the accepts that wait for another request.
    Listener { queue: Vec<Id>, seats: Vec<Id> },
    /// A dial that waits at a listener.
    Request { listener: Id, phase: Phase },
    /// A connection.
    Open,
    /// A listener or connection that is closed.
    Closed,
}

/// The phase of a dial that waits at a listener.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Phase {
    /// The dial waits.
    Queued,
    /// A listener has claimed the dial, and waits for the backend.
    Claimed,
    /// The backend has acknowledged the dial; the next accept gets it.
    Ready,
    /// The listener is closed.
    Refused,
}

/// How a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum How {
    /// Without a reset.
    Close,
    /// With a reset.
    Abort,
    /// Without a word.
    Vanish,
}

impl Socket {
    pub(super) fn new(host: Host, state: State) -> Self {
        Self {
            host,
            port: 0,
            bound: false,
            shared: false,
            handle: false,
            awaited: false,
            peer: None,
            peer_life: 0,
            end: None,
            state,
        }
    }

    /// The local address.
    #[must_use]
    pub fn addr(&self) -> Addr {
        Addr { host: self.host.name.clone(), port: self.port }
    }

    /// The address of the peer of a connection.
    #[must_use]
    pub fn peer(&self) -> Option<&Addr> {
        self.peer.as_ref()
    }
}

impl Model {
    /// The lowest free port.
    pub(super) fn lowest_port(&self, host: &Host) -> u16 {
        self.free_port_from(1, host)
    }

    /// The first free port from `first` on.
    pub(super) fn free_port_from(&self, first: u16, host: &Host) -> u16 {
        let free = |port: &u16| !self.bound(host).any(|socket| socket.port == *port);
        (first..).find(free).expect("these tests do not take all ports")
    }

    /// With shared ports, whether a connection with these two ends is accepted or queued at a host.
    pub(super) fn has_pair(&self, host: &Host, port: u16, peer: &Socket) -> bool {
        let has = |socket: &Socket| match socket.state {
            State::Request { listener, phase: Phase::Queued } => self.sockets[&listener].port == port,
            _ => socket.bound && socket.shared && socket.port == port,
        };
        // A peer that was made anew connects from its port 1 again, whatever is left of its earlier connections.
        let is_peer = |socket: &Socket| (&socket.peer, socket.peer_life) == (&Some(peer.addr()), peer.host.life);
        let mut sockets = self.sockets.values().filter(|_| self.rules.share_port);
        sockets.any(|socket| socket.host == *host && is_peer(socket) && has(socket))
    }

    fn bound(&self, host: &Host) -> impl Iterator<Item = &Socket> {
        self.sockets.values().filter(move |socket| socket.bound && socket.host == *host)
    }

    /// Puts a socket into the table, if there is room.
    pub(super) fn insert(&mut self, socket: Socket) -> Result<Id, String> {
        if self.sockets.len() == self.rules.sockets {
            return Err(format!("port table is full ({})", self.rules.sockets));
        }
        let id = self.next();
        self.sockets.insert(id, socket);
        Ok(id)
    }

    pub(super) fn at(&mut self, id: Id) -> &mut Socket {
        self.sockets.get_mut(&id).expect("a socket that is held is in the table")
    }

    /// Listens at the address in `text`.
    pub fn listen(&mut self, host: &Host, text: &str) -> Result<Id, String> {
        let failed = |model: &Self, addr: Option<&Addr>, cause: &str| Err(model.error("listen", None, addr, cause));
        // An empty text asks for any port.
        let asked = if text.is_empty() { Ok(Parsed { host: String::new(), port: 0 }) } else { address::parse(text) };
        let asked = match asked {
            Ok(asked) => asked,
            Err(cause) => return failed(self, None, &cause),
        };
        let name: &str = if asked.host.is_empty() { &host.name } else { &asked.host };
        let addr = Addr { host: name.into(), port: asked.port };
        if *name != *host.name {
            return failed(self, Some(&addr), "cannot listen on requested address");
        }
        if let Some(cause) = self.down(host) {
            return failed(self, Some(&addr), cause);
        }
        let port = match asked.port {
            0 => self.lowest_port(host),
            port if self.bound(host).any(|socket| socket.port == port && !socket.shared) => {
                return failed(self, Some(&addr), "address already in use");
            }
            port => port,
        };
        let state = State::Listener { queue: Vec::new(), seats: Vec::new() };
        let socket = Socket { port, bound: true, handle: true, ..Socket::new(host.clone(), state) };
        self.insert(socket).map_err(|full| self.error("listen", None, Some(&addr), &full))
    }

    /// The listener at a port.
    pub(super) fn listener_at(&self, host: &Host, port: u16) -> Option<Id> {
        let mut listeners = self.sockets.iter().filter(|(_, socket)| {
            let listens = matches!(socket.state, State::Listener { .. });
            listens && socket.bound && socket.port == port && socket.host == *host
        });
        listeners.next().map(|(&id, _)| id)
    }

    /// The queued requests of a listener, and the accepts that wait for them.
    pub(super) fn queue(&mut self, listener: Id) -> Option<(&mut Vec<Id>, &mut Vec<Id>)> {
        match &mut self.sockets.get_mut(&listener)?.state {
            State::Listener { queue, seats } => Some((queue, seats)),
            _ => None,
        }
    }

    /// The phase of the dial in this socket, as long as it is one.
    pub(super) fn phase(&self, request: Id) -> Option<Phase> {
        match self.sockets.get(&request)?.state {
            State::Request { phase, .. } => Some(phase),
            _ => None,
        }
    }

    pub(super) fn set_phase(&mut self, request: Id, next: Phase) {
        if let State::Request { phase, .. } = &mut self.at(request).state {
            *phase = next;
        }
    }

    /// Refuses the requests of a closed listener.
    fn refuse_all(&mut self, listener: Id, how: How) {
        let waiting = match self.queue(listener) {
            Some((queue, seats)) => {
                seats.clear();
                std::mem::take(queue)
            }
            None => return,
        };
        for request in waiting {
            if self.phase(request) == Some(Phase::Ready) {
                // The dial already completed with a connection, which ends now.
                self.remove(request, how);
            } else {
                self.set_phase(request, Phase::Refused);
                self.at(request).bound = false;
            }
        }
    }

    /// Takes a socket out of the table and closes its end of a connection.
    pub(super) fn remove(&mut self, id: Id, how: How) {
        let gone = self.sockets.remove(&id).expect("a socket is removed once");
        if let Some(end) = gone.end {
            self.let_go(end, how);
        }
    }

    /// Shuts a socket whose host is closed or has died.
    pub(super) fn shut_with_host(&mut self, id: Id, how: How) {
        // A ready dial was removed with its listener.
        let Some(socket) = self.sockets.get(&id) else { return };
        match (&socket.state, socket.end) {
            (State::Listener { .. }, _) => self.refuse_all(id, how),
            (State::Open, Some(end)) => self.close_end(end, how),
            _ => {}
        }
    }

    /// Closes a listener.
    pub fn close_listener(&mut self, id: Id) {
        self.refuse_all(id, How::Close);
        let socket = self.at(id);
        socket.bound = false;
        socket.state = State::Closed;
        self.travel();
    }

    /// Drops a listener.
    pub fn drop_listener(&mut self, id: Id) {
        self.close_listener(id);
        self.remove(id, How::Close);
    }

    /// Closes a connection.
    pub fn close_conn(&mut self, id: Id, how: How) {
        let socket = self.at(id);
        socket.bound = false;
        if socket.state != State::Open {
            return;
        }
        socket.state = State::Closed;
        if let Some(end) = socket.end {
            self.close_end(end, how);
        }
    }

    /// Drops a connection.
    pub fn drop_conn(&mut self, id: Id) {
        self.close_conn(id, How::Close);
        let socket = self.at(id);
        socket.handle = false;
        if !socket.awaited {
            self.remove(id, How::Close);
        } else if let Some(end) = socket.end.take() {
            self.let_go(end, How::Close);
        }
    }

    /// Records that the dial that a socket came from has completed or was dropped.
    pub(super) fn told(&mut self, id: Id) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        socket.awaited = false;
        if socket.state == State::Closed && !socket.handle {
            self.remove(id, How::Close);
        }
    }

    /// The cause if the local side of a connection or listener is down.
    pub(super) fn own_down(&self, id: Id) -> Option<&'static str> {
        let socket = &self.sockets[&id];
        self.down(&socket.host).or((socket.state == State::Closed).then_some("socket is down"))
    }

    /// Shuts down writing.
    pub fn close_write(&mut self, id: Id) -> Result<(), String> {
        self.shut_one(id, |[outgoing, _]| outgoing.leave_writer(End::Finished))
    }

    /// Shuts down reading.
    pub fn close_read(&mut self, id: Id) -> Result<(), String> {
        self.shut_one(id, |[_, incoming]| incoming.shut_reader(End::Finished))
    }

    fn shut_one(&mut self, id: Id, shut: impl FnOnce([&mut Stream; 2])) -> Result<(), String> {
        if let Some(cause) = self.own_down(id) {
            return Err(self.conn_error("shutdown", id, cause));
        }
        if let Some(end) = self.sockets[&id].end {
            shut(self.streams(end));
            self.send(end, false);
        }
        Ok(())
    }

    /// The text of a connection's error. It names both ends, in the direction of the bytes.
    #[must_use]
    pub fn conn_error(&self, operation: &str, id: Id, cause: &str) -> String {
        let socket = &self.sockets[&id];
        let (local, peer) = (socket.addr(), socket.peer.clone());
        let (source, addr) = if operation == "read" { (peer, Some(local)) } else { (Some(local), peer) };
        self.error(operation, source.as_ref(), addr.as_ref(), cause)
    }

    /// The text of a connection's error, in which the cause of a local side that is down takes precedence.
    #[must_use]
    pub fn outermost_conn_error(&self, operation: &str, id: Id, cause: &str) -> String {
        let cause = self.down(&self.sockets[&id].host).unwrap_or(cause);
        self.conn_error(operation, id, cause)
    }
}
