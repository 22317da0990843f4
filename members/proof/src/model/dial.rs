//! Dials, from the source port to the connection.

use super::socket::{Phase, Socket, State};
use super::wait::{Begun, REFUSED, Wait};
use super::{Addr, Done, Host, How, Id, Model, Verdict};
use crate::address::{self, Parsed};

impl Model {
    /// Starts a dial: takes the source port, and performs the checks in order.
    pub(super) fn begin(&mut self, host: &Host, text: &str) -> Result<Begun, String> {
        let port = self.lowest_port(host);
        let socket = Socket { port, bound: true, ..Socket::new(host.clone(), State::Dialling) };
        let source = self.insert(socket).map_err(|full| self.error("dial", None, None, &full))?;
        let target = match address::parse(text) {
            Ok(Parsed { host: name, port }) if name.is_empty() => Addr { host: host.name.clone(), port },
            Ok(Parsed { host: name, port }) => Addr { host: name.into(), port },
            Err(cause) => return Err(self.fail_dial(source, None, &cause)),
        };
        // The first free port with which the peer has no connection. There is one among as many ports as there are
        // sockets.
        if let Some(peer) = self.newest(&target.host).cloned() {
            while self.has_pair(&peer, target.port, &self.sockets[&source]) {
                let next = self.sockets[&source].port + 1;
                self.at(source).port = self.free_port_from(next, host);
            }
        }
        let entered = match self.down(host) {
            Some(cause) => Err(cause.into()),
            None => self.enqueue(source, &target),
        };
        match entered {
            Ok((request, pipe)) => Ok(Begun { source, target, request, claimed: false, end: (pipe, 0) }),
            Err(cause) => Err(self.fail_dial(source, Some(&target), &cause)),
        }
    }

    /// Queues a dial at its listener; returns the socket there, and the pipe.
    fn enqueue(&mut self, source: Id, target: &Addr) -> Result<(Id, Id), String> {
        let Some(peer) = self.newest(&target.host).cloned() else {
            return Err(format!("{}: query [{:?}]: no such host", self.rules.registry, &*target.host));
        };
        // A connection takes its pipe before the listener is asked.
        let pipe = self.new_pipe()?;
        let entered = self.enter(source, &peer, target.port, pipe);
        if entered.is_err() {
            self.pipes.remove(&pipe);
        }
        entered.map(|request| (request, pipe))
    }

    fn enter(&mut self, source: Id, peer: &Host, port: u16, pipe: Id) -> Result<Id, String> {
        let listener = self.listener_at(peer, port).filter(|_| self.is_open(peer));
        let listener = listener.ok_or("connection refused")?;
        let backlog = self.rules.backlog;
        if self.queue(listener).is_some_and(|(queue, _)| queue.len() >= backlog) {
            return Err(format!("backlog is full ({backlog})"));
        }
        let request = Socket {
            awaited: true,
            peer: Some(self.sockets[&source].addr()),
            peer_life: self.sockets[&source].host.life,
            end: Some((pipe, 1)),
            ..Socket::new(peer.clone(), State::Request { listener, phase: Phase::Queued })
        };
        let request = self.insert(request)?;
        if let Some((queue, seats)) = self.queue(listener) {
            queue.push(request);
            seats.clear();
        }
        Ok(request)
    }

    /// Returns the error of a dial, and frees its port.
    fn fail_dial(&mut self, source: Id, target: Option<&Addr>, cause: &str) -> String {
        let addr = self.sockets[&source].addr();
        self.remove(source, How::Close);
        self.error("dial", Some(&addr), target, cause)
    }

    pub(super) fn poll_dial(&mut self, id: Id, mut begun: Begun, verdict: Verdict) -> Option<Done> {
        let phase = self.phase(begun.request);
        begun.claimed |= phase == Some(Phase::Claimed);
        // Whether the listener has accepted the dial, or why it never will; `None` if that is undecided.
        let answer = match (phase, begun.claimed, verdict) {
            (None, ..) => Some(Ok(())),
            (Some(Phase::Queued), ..) => None,
            (Some(Phase::Refused), false, _) => Some(Err("connection refused")),
            (_, true, Verdict::Open) => None,
            (_, true, Verdict::Refuse) => Some(Err(REFUSED)),
            (Some(Phase::Refused), true, Verdict::Acknowledge) => Some(Err("connection refused")),
            (_, _, Verdict::Acknowledge) => {
                self.acknowledge(begun.request);
                Some(Ok(()))
            }
            (phase, ..) => unreachable!("a dial with the backend's word is not {phase:?}"),
        };
        let down = self.down(&self.sockets[&begun.source].host);
        match (answer, down) {
            (None, None) => {
                if let Some(Wait::Dial { begun: kept, .. }) = self.waits.get_mut(&id) {
                    *kept = Some(begun);
                }
                None
            }
            (Some(Ok(())), None) => Some(Done::Conn(self.connect(begun))),
            (Some(Err(_)) | None, Some(cause)) | (Some(Err(cause)), None) => {
                Some(Done::Failed(self.give_up_dial(begun, cause)))
            }
            (Some(Ok(())), Some(cause)) => Some(Done::Failed(self.give_up_dial(begun, cause))),
        }
    }

    /// The backend has acknowledged a claimed connection: the next accept gets it.
    fn acknowledge(&mut self, request: Id) {
        self.set_phase(request, Phase::Ready);
        self.at(request).awaited = false;
        self.tell_acceptors(request);
    }

    fn tell_acceptors(&mut self, request: Id) {
        if let State::Request { listener, .. } = self.sockets[&request].state
            && let Some((_, seats)) = self.queue(listener)
        {
            seats.clear();
        }
    }

    /// Makes a dial a connection.
    fn connect(&mut self, begun: Begun) -> Id {
        let Begun { source, target, request, end, .. } = begun;
        let port = self.sockets[&request].port;
        self.told(request);
        let socket = self.at(source);
        socket.state = State::Open;
        socket.handle = true;
        socket.end = Some(end);
        socket.peer = Some(Addr { port, ..target });
        source
    }

    /// Ends a dial without a connection: it leaves nothing behind, or the accepting end sees it closed.
    pub(super) fn give_up_dial(&mut self, begun: Begun, cause: &str) -> String {
        let Begun { source, target, request, end, .. } = begun;
        let how = self.ending(&self.sockets[&source].host);
        match self.phase(request) {
            Some(Phase::Queued | Phase::Claimed | Phase::Refused) => {
                if self.phase(request) == Some(Phase::Claimed) {
                    self.tell_acceptors(request);
                }
                if let State::Request { listener, .. } = self.sockets[&request].state
                    && let Some((queue, _)) = self.queue(listener)
                {
                    queue.retain(|&waiting| waiting != request);
                }
                self.remove(request, How::Close);
            }
            Some(Phase::Ready) => {}
            None => self.told(request),
        }
        self.let_go(end, how);
        self.fail_dial(source, Some(&target), cause)
    }
}
