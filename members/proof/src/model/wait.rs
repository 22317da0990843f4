//! Operations that can wait.

use std::collections::BTreeSet;

use super::dial::Stage;
use super::fault::Answer;
use super::socket::{Phase, State};
use super::{Addr, Host, Id, Model, Rules};

/// A pending operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Wait {
    /// A dial from this host, to the address in its text.
    Dial {
        /// The local host.
        host: Host,
        /// The address.
        text: String,
        /// The backend's future answer.
        verdict: Verdict,
        /// The state of the dial; `None` before it is polled.
        begun: Option<Begun>,
    },
    /// An accept at this listener.
    Accept(Id),
    /// A read of up to `len` bytes, or a peek.
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
    /// Waits until a read is ready.
    Readable(Id),
    /// Waits until a write is ready.
    Writable(Id),
}

/// The backend's answer to a claimed connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// No answer yet.
    Open,
    /// The connection is acknowledged.
    Acknowledge,
    /// The connection is refused.
    Refuse,
}

/// A dial that has started.
#[derive(Clone, Debug, PartialEq)]
pub struct Begun {
    pub(super) source: Id,
    pub(super) target: Addr,
    pub(super) stage: Stage,
    /// How often the host that it is for had lost its power before.
    pub(super) cuts: u32,
    /// Whether its answer was sent.
    pub(super) answer: Answer,
    /// Its place among all that is sent.
    pub(super) sent: Id,
    /// Whether it did not arrive as it was sent: its listener's answer is known before its task is polled.
    pub(super) stopped: bool,
    /// Whether the backend knows that a listener has claimed the dial.
    pub(super) claimed: bool,
    pub(super) end: (Id, usize),
}

/// The outcome of an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    /// A connection.
    Conn(Id),
    /// The bytes that were read.
    Bytes(Vec<u8>),
    /// The number of bytes that were written.
    Count(usize),
    /// Completion without a value.
    Nothing,
    /// A failure with this text.
    Failed(String),
}

/// The cause of a refusal by the test backends.
pub const REFUSED: &str = "not today";

impl Model {
    /// Starts an operation, without polling it.
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

    /// The operation with that number, mutable until it is polled.
    pub fn wait_mut(&mut self, id: Id) -> &mut Wait {
        self.waits.get_mut(&id).expect("an operation that waits")
    }

    /// The backend's answer to a dial that has started.
    #[must_use]
    pub fn verdict(&self, id: Id) -> Option<Verdict> {
        match self.waits.get(&id)? {
            Wait::Dial { begun: Some(_), verdict, .. } => Some(*verdict),
            _ => None,
        }
    }

    /// Whether another poll would change anything, so that the operation's task has to be woken.
    #[must_use]
    pub fn stirs(&self, id: Id) -> bool {
        let mut next = self.clone();
        next.poll(id, true).is_some() || next != *self
    }

    /// Polls an operation; with `seat`, a pending accept is registered at its listener.
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
            // A completed accept no longer waits.
            self.unseat(id);
        }
        self.travel();
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
            // The listener claims at most as many connections as there are pending accepts, including this one.
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
        let written = written?;
        if written.is_ok_and(|count| count > 0) {
            self.send(end, true);
        }
        Some(written.map_or_else(|cause| Done::Failed(self.conn_error("write", conn, cause)), Done::Count))
    }

    fn poll_writable(&mut self, conn: Id) -> Option<Done> {
        let Rules { rendezvous, buffer, .. } = self.rules;
        let end = self.sockets[&conn].end.expect("a connection has an end");
        let ready = self.own_down(conn).is_some() || self.streams(end)[0].is_writable(rendezvous, buffer);
        ready.then_some(Done::Nothing)
    }

    /// Drops an operation. Everything is as if it had not been started, except that a rendezvous write may have been
    /// delivered, or may be delivered later.
    pub fn give_up(&mut self, id: Id) {
        if let Some(Wait::Dial { begun: Some(begun), .. }) = self.waits.remove(&id) {
            // The connection ends as those of its host do.
            drop(self.give_up_dial(begun, ""));
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

    /// Withdraws the unread bytes of a write that timed out, and returns how many were read.
    pub fn withdraw(&mut self, id: Id) -> usize {
        match self.waits.remove(&id) {
            Some(Wait::Write { conn, by, .. }) if self.rules.rendezvous => {
                let end = self.sockets[&conn].end.expect("a connection has an end");
                self.streams(end)[0].withdraw(by)
            }
            _ => 0,
        }
    }

    /// The number of tasks other than `by` that write to a connection, or have yet to fetch the count of a write.
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

    /// The text of the error of an operation that may not wait, or that timed out.
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

    /// Whether the operation was polled, if it is a dial; otherwise true.
    #[must_use]
    pub fn has_begun(&self, id: Id) -> bool {
        !matches!(self.waits[&id], Wait::Dial { begun: None, .. })
    }
}
