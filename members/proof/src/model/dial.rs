//! Dials, from the source port to the connection.

use super::fault::Answer;
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
        let started = match self.down(host) {
            Some(cause) => Err(cause.into()),
            None => self.send_dial(source, &target),
        };
        started.map_err(|cause| self.fail_dial(source, Some(&target), &cause))
    }

    /// Sends a dial to its listener.
    fn send_dial(&mut self, source: Id, target: &Addr) -> Result<Begun, String> {
        let Some(peer) = self.newest(&target.host).cloned() else {
            return Err(format!("{}: query [{:?}]: no such host", self.rules.registry, &*target.host));
        };
        let cuts = self.cuts(&peer.name);
        // A connection takes its pipe before the listener is asked.
        let pipe = self.new_pipe([self.sockets[&source].host.name.clone(), peer.name])?;
        let (stopped, sent) = (self.pipes[&pipe].written_by[0].stopped, self.next());
        let (target, stage, answer) = (target.clone(), Stage::Sent, Answer::NotSent);
        let (claimed, end) = (false, (pipe, 0));
        let mut begun = Begun { source, target, stage, cuts, answer, sent, stopped, claimed, end };
        self.arrive(&mut begun);
        match begun.stage {
            Stage::Refused(cause) if !self.rules.faults => Err(cause),
            _ => Ok(begun),
        }
    }

    /// A dial arrives at its listener, unless it is stopped.
    pub(super) fn arrive(&mut self, begun: &mut Begun) {
        let Begun { source, end: (pipe, _), .. } = *begun;
        if begun.stage != Stage::Sent || self.pipes[&pipe].written_by[0].stopped {
            return;
        }
        let peer = self.newest(&begun.target.host).cloned().expect("a host stays in the registry");
        begun.stage = match self.enter(source, &peer, begun.target.port, pipe) {
            Ok(request) => Stage::There(request),
            Err(cause) => {
                self.pipes.remove(&pipe);
                Stage::Refused(cause)
            }
        };
    }

    /// Takes note that a listener has accepted a dial, or is closed.
    pub(super) fn settle(&mut self, begun: &mut Begun) {
        let Stage::There(request) = begun.stage else { return };
        match self.phase(request) {
            None => {
                begun.stage = Stage::Accepted(self.sockets[&request].port);
                self.told(request);
            }
            Some(Phase::Refused) => {
                begun.stage = Stage::Refused("connection refused".into());
                self.remove(request, How::Close);
            }
            Some(_) => {}
        }
    }

    /// The answer of a dial is sent, and arrives unless it is stopped.
    pub(super) fn answer(&mut self, begun: &mut Begun) {
        if begun.answer != Answer::Arrived {
            let stops = self.stops(&begun.target.host, &self.sockets[&begun.source].host.name);
            begun.answer = if stops { Answer::OnItsWay } else { Answer::Arrived };
        }
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
        if self.rules.faults {
            self.settle(&mut begun);
            // If the host has lost its power meanwhile, it knows nothing of the dial.
            while matches!(begun.stage, Stage::Refused(_)) && self.is_forgotten(&begun) {
                if self.pipes.contains_key(&begun.end.0) {
                    self.let_go(begun.end, How::Close);
                }
                begun = self.send_dial(begun.source, &begun.target).expect("there is such a host, and room");
            }
        }
        // Whether the listener has accepted the dial, or why it never will; `None` if that is undecided.
        let answer = match begun.stage.clone() {
            Stage::Sent => None,
            Stage::There(request) => self.outcome(request, &mut begun, verdict),
            Stage::Accepted(_) => Some(Ok(())),
            Stage::Refused(cause) => Some(Err(cause)),
        };
        if self.rules.faults && answer.is_some() {
            self.answer(&mut begun);
        }
        let answer = answer.filter(|_| begun.answer != Answer::OnItsWay);
        let down = self.down(&self.sockets[&begun.source].host);
        match (answer, down) {
            (None, None) => {
                if let Some(Wait::Dial { begun: kept, .. }) = self.waits.get_mut(&id) {
                    *kept = Some(begun);
                }
                None
            }
            (Some(Ok(())), None) => Some(Done::Conn(self.connect(begun))),
            (_, Some(cause)) => Some(Done::Failed(self.give_up_dial(begun, cause))),
            (Some(Err(cause)), None) => Some(Done::Failed(self.give_up_dial(begun, &cause))),
        }
    }

    /// Whether the host that the dial is for has lost its power, before it has answered.
    fn is_forgotten(&self, begun: &Begun) -> bool {
        begun.answer == Answer::NotSent && begun.cuts != self.cuts(&begun.target.host)
    }

    /// Whether a listener has accepted a dial, or is closed, or there was none, of a host that remembers it.
    pub(super) fn is_decided(&self, begun: &Begun) -> bool {
        let refused = match begun.stage {
            Stage::Sent => return false,
            Stage::Accepted(_) => return true,
            Stage::Refused(_) => true,
            Stage::There(request) => match self.phase(request) {
                None => return true,
                phase => phase == Some(Phase::Refused),
            },
        };
        refused && !self.is_forgotten(begun)
    }

    /// The outcome of a dial that has arrived.
    fn outcome(&mut self, request: Id, begun: &mut Begun, verdict: Verdict) -> Option<Result<(), String>> {
        let phase = self.phase(request);
        begun.claimed |= phase == Some(Phase::Claimed);
        match (phase, begun.claimed, verdict) {
            (None, ..) => Some(Ok(())),
            (Some(Phase::Queued), ..) => None,
            (Some(Phase::Refused), false, _) => Some(Err("connection refused".into())),
            (_, true, Verdict::Open) => None,
            (_, true, Verdict::Refuse) => Some(Err(REFUSED.into())),
            (Some(Phase::Refused), true, Verdict::Acknowledge) => Some(Err("connection refused".into())),
            (_, _, Verdict::Acknowledge) => {
                self.acknowledge(request);
                Some(Ok(()))
            }
            (phase, ..) => unreachable!("a dial with the backend's word is not {phase:?}"),
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
        let Begun { source, target, stage, end, .. } = begun;
        let port = match stage {
            Stage::There(request) => {
                let port = self.sockets[&request].port;
                self.told(request);
                port
            }
            Stage::Accepted(port) => port,
            Stage::Sent | Stage::Refused(_) => unreachable!("a dial that is accepted is not {stage:?}"),
        };
        let socket = self.at(source);
        socket.state = State::Open;
        socket.handle = true;
        socket.end = Some(end);
        socket.peer = Some(Addr { port, ..target });
        source
    }

    /// Ends a dial without a connection: it leaves nothing behind, or the accepting end sees it closed.
    pub(super) fn give_up_dial(&mut self, begun: Begun, cause: &str) -> String {
        let Begun { source, target, stage, end, .. } = begun;
        let how = self.ending(&self.sockets[&source].host);
        match stage {
            Stage::There(request) => self.withdraw_request(request),
            // The other end was never handed over.
            Stage::Sent => drop(self.pipes.remove(&end.0)),
            Stage::Accepted(_) | Stage::Refused(_) => {}
        }
        // A dial that is refused as it arrives has no pipe any more.
        if self.pipes.contains_key(&end.0) {
            self.let_go(end, how);
        }
        self.fail_dial(source, Some(&target), cause)
    }

    fn withdraw_request(&mut self, request: Id) {
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
    }
}

/// How far a dial has come.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stage {
    /// It is on its way.
    Sent,
    /// It has arrived, as this socket.
    There(Id),
    /// A listener has accepted it, at this port.
    Accepted(u16),
    /// It was refused for this cause.
    Refused(String),
}
