//! Operations that may wait.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::socket::{Phase, State};
use super::{Addr, Id, Model, Rules};

/// An operation under way.
#[derive(Clone, Debug, PartialEq)]
pub enum Wait {
    /// A dial from this host, to what its text says.
    Dial {
        /// The own host.
        host: Rc<str>,
        /// The address.
        text: String,
        /// What the backend is going to say.
        verdict: Verdict,
        /// How far it is; not begun before it is polled.
        begun: Option<Begun>,
    },
    /// An accept at this listener.
    Accept(Id),
    /// A read of up to so many bytes, or a peek.
    Read {
        /// The connection.
        conn: Id,
        /// The size of the buffer.
        len: usize,
        /// Whether the bytes are taken.
        take: bool,
    },
    /// A write, of the task with this number.
    Write {
        /// The connection.
        conn: Id,
        /// The bytes.
        bytes: Vec<u8>,
        /// The task.
        by: Id,
    },
    /// Waits until a read would not.
    Readable(Id),
    /// Waits until a write would not.
    Writable(Id),
}

/// What the backend says to a connection that a listener has taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing yet.
    Open,
    /// It is made.
    Acknowledge,
    /// It is not.
    Refuse,
}

/// A dial that has begun.
#[derive(Clone, Debug, PartialEq)]
pub struct Begun {
    pub(super) source: Id,
    pub(super) target: Addr,
    pub(super) request: Id,
    /// Whether the backend knows that a listener has taken it.
    pub(super) claimed: bool,
    pub(super) end: (Id, usize),
}

/// What an operation came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    /// A connection.
    Conn(Id),
    /// Bytes that were read.
    Bytes(Vec<u8>),
    /// How many bytes were written.
    Count(usize),
    /// It is done.
    Nothing,
    /// It failed, with this text.
    Failed(String),
}

/// What the test backends say when they refuse.
pub const REFUSED: &str = "not today";

impl Model {
    /// An operation that has not been polled.
    pub fn start(&mut self, wait: Wait) -> Id {
        let id = self.next();
        self.waits.insert(id, wait);
        id
    }

    /// The operation with that number.
    #[must_use]
    pub fn wait(&self, id: Id) -> &Wait {
        &self.waits[&id]
    }

    /// The operation with that number, to be changed before it is polled.
    pub fn wait_mut(&mut self, id: Id) -> &mut Wait {
        self.waits.get_mut(&id).expect("an operation that waits")
    }

    /// Where a dial that has begun comes from, and what the backend is to say to it.
    #[must_use]
    pub fn dial(&self, id: Id) -> Option<(Addr, Verdict)> {
        match self.waits.get(&id)? {
            Wait::Dial { begun: Some(begun), verdict, .. } => Some((self.sockets[&begun.source].addr(), *verdict)),
            _ => None,
        }
    }

    /// Whether another poll would change anything: whoever waits with this has to be woken.
    #[must_use]
    pub fn stirs(&self, id: Id) -> bool {
        let mut next = self.clone();
        next.poll(id, true).is_some() || next != *self
    }

    /// Polls an operation; with `seat`, it waits if it is not done.
    pub fn poll(&mut self, id: Id, seat: bool) -> Option<Done> {
        let done = match self.waits[&id].clone() {
            Wait::Dial { host, text, begun, verdict } => {
                let begun = match begun.map_or_else(|| self.begin(&host, &text), Ok) {
                    Ok(begun) => begun,
                    Err(error) => {
                        self.waits.remove(&id);
                        return Some(Done::Failed(error));
                    }
                };
                self.poll_dial(id, begun, verdict)
            }
            Wait::Accept(listener) => self.poll_accept(id, listener, seat),
            Wait::Read { conn, len, take } => self.poll_read(conn, len, take),
            Wait::Write { conn, bytes, by } => self.poll_write(conn, &bytes, by),
            Wait::Readable(conn) => self.poll_read(conn, 1, false).map(|_| Done::Nothing),
            Wait::Writable(conn) => self.poll_writable(conn),
        };
        if done.is_some() {
            self.waits.remove(&id);
            // An accept that is done waits no longer.
            self.unseat(id);
        }
        done
    }

    fn poll_accept(&mut self, id: Id, listener: Id, seat: bool) -> Option<Done> {
        if let Some(cause) = self.own_down(listener) {
            return Some(Done::Failed(self.accept_error(listener, cause)));
        }
        let port = self.sockets[&listener].port;
        loop {
            let (queue, seats) = self.queue(listener).expect("a listener that is up");
            let (queue, others) = (queue.clone(), seats.iter().filter(|&&seat| seat != id).count());
            let claimed = queue.iter().filter(|&&request| self.phase(request) == Some(Phase::Claimed)).count();
            // The backend is asked about as many as there are accepts that wait, with this one.
            let may_claim = claimed <= others;
            let next = queue.into_iter().find(|&request| match self.phase(request) {
                Some(Phase::Ready) => true,
                Some(Phase::Queued) => !self.rules.acknowledged || may_claim,
                _ => false,
            });
            let Some(request) = next else { break };
            if self.phase(request) == Some(Phase::Queued) {
                let shared = self.rules.share_port;
                let port = if shared { port } else { self.lowest_port(&self.sockets[&listener].host) };
                let socket = self.at(request);
                (socket.port, socket.bound, socket.shared) = (port, true, shared);
                if self.rules.acknowledged {
                    self.set_phase(request, Phase::Claimed);
                    continue;
                }
            }
            if let Some((queue, _)) = self.queue(listener) {
                queue.retain(|&waiting| waiting != request);
            }
            let socket = self.at(request);
            socket.state = State::Open;
            socket.handle = true;
            return Some(Done::Conn(request));
        }
        if self.rules.acknowledged
            && seat
            && let Some((_, seats)) = self.queue(listener)
            && !seats.contains(&id)
        {
            seats.push(id);
        }
        None
    }

    /// The text of a listener's error.
    #[must_use]
    pub fn accept_error(&self, listener: Id, cause: &str) -> String {
        self.error("accept", None, Some(&self.sockets[&listener].addr()), cause)
    }

    fn poll_read(&mut self, conn: Id, len: usize, take: bool) -> Option<Done> {
        if let Some(cause) = self.own_down(conn) {
            return Some(Done::Failed(self.conn_error("read", conn, cause)));
        }
        if len == 0 {
            return Some(Done::Bytes(Vec::new()));
        }
        let end = self.sockets[&conn].end.expect("a connection has an end");
        let read = self.streams(end)[1].read(len, take)?;
        Some(read.map_or_else(|cause| Done::Failed(self.conn_error("read", conn, cause)), Done::Bytes))
    }

    fn poll_write(&mut self, conn: Id, bytes: &[u8], by: Id) -> Option<Done> {
        let (down, rules) = (self.own_down(conn), self.rules);
        let end = self.sockets[&conn].end.expect("a connection has an end");
        let stream = &mut self.streams(end)[0];
        let written = if bytes.is_empty() {
            Some(down.map_or(Ok(0), Err))
        } else if rules.rendezvous {
            stream.rendezvous(down, by, bytes, rules.buffer)
        } else {
            stream.write(down, bytes, rules.buffer)
        };
        Some(written?.map_or_else(|cause| Done::Failed(self.conn_error("write", conn, cause)), Done::Count))
    }

    fn poll_writable(&mut self, conn: Id) -> Option<Done> {
        let Rules { rendezvous, buffer, .. } = self.rules;
        let end = self.sockets[&conn].end.expect("a connection has an end");
        let ready = self.own_down(conn).is_some() || self.streams(end)[0].is_writable(rendezvous, buffer);
        ready.then_some(Done::Nothing)
    }

    /// Gives an operation up: all is as if it had not been started, but for a write in a rendezvous, which may have been
    /// delivered or still be.
    pub fn give_up(&mut self, id: Id) {
        if let Some(Wait::Dial { begun: Some(begun), .. }) = self.waits.remove(&id) {
            self.give_up_dial(begun, "");
        }
        self.unseat(id);
    }

    fn unseat(&mut self, id: Id) {
        for socket in self.sockets.values_mut() {
            if let State::Listener { seats, .. } = &mut socket.state {
                seats.retain(|&seat| seat != id);
            }
        }
    }

    /// Takes back what was not read of a write whose time is over, and says how much was.
    pub fn withdraw(&mut self, id: Id) -> usize {
        match self.waits.remove(&id) {
            Some(Wait::Write { conn, by, .. }) if self.rules.rendezvous => {
                let end = self.sockets[&conn].end.expect("a connection has an end");
                self.streams(end)[0].withdraw(by)
            }
            _ => 0,
        }
    }

    /// How many tasks other than `by` write to a connection, or have yet to be told what was read of their writes.
    #[must_use]
    pub fn other_writers(&self, conn: Id, by: Id) -> usize {
        let (pipe, side) = self.sockets[&conn].end.expect("a connection has an end");
        let late = self.pipes[&pipe].written_by[side].late();
        let waiting = self.waits.values().filter_map(|wait| match wait {
            Wait::Write { conn: on, by, .. } if *on == conn => Some(*by),
            _ => None,
        });
        late.chain(waiting).filter(|&task| task != by).collect::<BTreeSet<_>>().len()
    }

    /// The text of the error of an operation that is told not to wait, or whose time is over.
    #[must_use]
    pub fn late(&self, id: Id, cause: &str) -> String {
        match &self.waits[&id] {
            Wait::Dial { begun: Some(begun), .. } => {
                self.error("dial", Some(&self.sockets[&begun.source].addr()), Some(&begun.target), cause)
            }
            Wait::Dial { .. } => unreachable!("a dial that was polled has begun"),
            Wait::Accept(listener) => self.accept_error(*listener, cause),
            Wait::Read { conn, .. } | Wait::Readable(conn) => self.conn_error("read", *conn, cause),
            Wait::Write { conn, .. } | Wait::Writable(conn) => self.conn_error("write", *conn, cause),
        }
    }

    /// Whether somebody polled it.
    #[must_use]
    pub fn has_begun(&self, id: Id) -> bool {
        !matches!(self.waits[&id], Wait::Dial { begun: None, .. })
    }
}
