//! Pending operations, and the comparison of their outcomes.

use std::future::Future;
use std::io::{Read, Write};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use virtnet::{Conn, NetRef};

use super::outcome::Actual;
use super::{Ends, Report, Waiting, World};
use crate::model::{Done, Id, Verdict, Wait};
use crate::op::{Mode, Op};

/// A pending operation.
pub(super) enum Job<'w, N: NetRef> {
    Future(Pin<Box<dyn Future<Output = Actual<N>> + 'w>>),
    /// An operation that is polled through the connection itself.
    Direct,
}

/// The task of a write that does not wait: its waker is a no-op.
const IDLE: Id = 0;
/// The number of tasks that write repeatedly; their numbers start at 1.
pub(super) const WRITERS: Id = 5;
/// The task of a write with a time limit, which leaves no trace.
const TIMED: Id = WRITERS + 1;

/// The task that performs a write.
pub(super) fn writer(op: Op) -> Id {
    match op.mode {
        Mode::Now => IDLE,
        Mode::Timed => TIMED,
        Mode::Later | Mode::Idle => 1 + Id::from(op.task) % WRITERS,
    }
}

impl<'w, N: NetRef + 'w> World<'w, N> {
    /// Starts an operation, and waits for it according to `mode`.
    pub(super) fn start(&mut self, wait: Wait, mode: Mode, report: &mut Report) -> Result<(), String> {
        // A limit of a read or write is not zero, and this clock stands still.
        let stands = self.faults.is_some() && matches!(wait, Wait::Read { take: true, .. } | Wait::Write { .. });
        let mode = if stands && mode == Mode::Timed { Mode::Now } else { mode };
        match mode {
            Mode::Later | Mode::Idle => {
                let idle = mode == Mode::Idle && matches!(wait, Wait::Dial { .. } | Wait::Accept(_));
                let id = self.model.start(wait);
                let (job, flag) = (self.job(id), self.task(id));
                report.say(|| format!("let mut w{id} = pin!({}); // not polled", self.code(id)));
                self.waits.insert(id, Waiting { job, flag, polled: false, dial: 0 });
                if idle { Ok(()) } else { self.poll(id, report) }
            }
            Mode::Now | Mode::Timed => {
                let timed = mode == Mode::Timed;
                let id = self.model.start(wait);
                report.say(|| format!("{}{}", self.code(id), if timed { ".wait_timeout(ZERO);" } else { "; // once" }));
                let wait = self.model.wait(id).clone();
                let actual = if timed { Some(self.timed(&wait)) } else { self.once(&wait) };
                let want = self.at_once(id, timed);
                self.compare(id, want, actual, report)
            }
        }
    }

    /// The model's outcome of an operation that does not wait.
    fn at_once(&mut self, id: Id, timed: bool) -> Option<Done> {
        // An operation with a time limit is polled again when the limit has passed.
        let done = self.model.poll(id, timed).or_else(|| timed.then(|| self.model.poll(id, true))?);
        if done.is_some() {
            return done;
        }
        let told = match self.model.wait(id) {
            _ if timed => Some("timed out"),
            Wait::Accept(_) | Wait::Read { take: true, .. } | Wait::Write { .. } => Some("would block"),
            _ => None,
        };
        let late = told.map(|cause| Done::Failed(self.model.late(id, cause)));
        if !timed {
            self.model.give_up(id);
            return late;
        }
        match self.model.wait(id) {
            Wait::Write { .. } => match self.model.withdraw(id) {
                0 => late,
                count => Some(Done::Count(count)),
            },
            _ => {
                self.model.give_up(id);
                late
            }
        }
    }

    /// Polls a pending operation.
    pub(super) fn poll(&mut self, id: Id, report: &mut Report) -> Result<(), String> {
        let fresh = !self.model.has_begun(id);
        let mut waiting = self.waits.remove(&id).expect("what waits in the model waits here");
        waiting.flag.clear();
        waiting.polled = true;
        let waker = Self::waker(&waiting.flag);
        let wait = self.model.wait(id).clone();
        let actual = match &mut waiting.job {
            Job::Future(future) => match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(actual) => Some(actual),
                Poll::Pending => None,
            },
            Job::Direct => self.direct(&wait, &mut Context::from_waker(&waker)),
        };
        let want = self.model.poll(id, true);
        if want.is_none() {
            if let (true, Some(relay)) = (fresh, self.relay) {
                waiting.dial = relay.last_dial();
            }
            self.waits.insert(id, waiting);
        }
        report.note(|| format!("polled {id}"));
        self.compare(id, want, actual, report)?;
        if fresh && self.waits.contains_key(&id) {
            self.tell_relay(id);
        }
        Ok(())
    }

    /// Tells the engine its answer to a dial.
    pub(super) fn tell_relay(&self, id: Id) {
        if let (Some(relay), Some(verdict)) = (self.relay, self.model.verdict(id))
            && verdict != Verdict::Open
        {
            relay.decide(self.waits[&id].dial, verdict);
        }
    }

    /// The operation that the model calls `id`.
    fn job(&self, id: Id) -> Job<'w, N> {
        let wait = self.model.wait(id);
        let whole = match wait {
            Wait::Read { conn, take: false, .. } | Wait::Readable(conn) | Wait::Writable(conn) => self.whole(*conn),
            _ => None,
        };
        match (wait, whole) {
            (Wait::Dial { host, text, .. }, _) => {
                let dial = self.hosts[host].dial(text.clone());
                Job::Future(Box::pin(async move { Actual::conn(dial.await) }))
            }
            (Wait::Accept(listener), _) => {
                let listener = self.listeners[listener].clone();
                Job::Future(Box::pin(async move { Actual::conn(listener.accept().await) }))
            }
            (Wait::Read { len, .. }, Some(conn)) => {
                let mut buf = vec![0; *len];
                Job::Future(Box::pin(async move {
                    let read = conn.peek(&mut buf).await;
                    Actual::read(read, buf)
                }))
            }
            (Wait::Readable(_), Some(conn)) => {
                Job::Future(Box::pin(async move { Actual::nothing(conn.readable().await) }))
            }
            (Wait::Writable(_), Some(conn)) => {
                Job::Future(Box::pin(async move { Actual::nothing(conn.writable().await) }))
            }
            _ => Job::Direct,
        }
    }

    fn whole(&self, conn: Id) -> Option<Arc<Conn<N>>> {
        match &self.conns[&conn] {
            Ends::Whole(conn) => Some(conn.clone()),
            Ends::Halves(..) => None,
        }
    }

    /// Polls an operation of a connection.
    fn direct(&self, wait: &Wait, cx: &mut Context<'_>) -> Option<Actual<N>> {
        let conn = |id: &Id| self.conns[id].any();
        let polled = match wait {
            Wait::Read { conn: id, len, take } => {
                let mut buf = vec![0; *len];
                let read = if *take { conn(id).poll_read(cx, &mut buf) } else { conn(id).poll_peek(cx, &mut buf) };
                read.map(|read| Actual::read(read, buf))
            }
            Wait::Write { conn: id, bytes, .. } => conn(id).poll_write(cx, bytes).map(Actual::count),
            Wait::Readable(id) => conn(id).poll_read_ready(cx).map(|()| Actual::Nothing),
            Wait::Writable(id) => conn(id).poll_write_ready(cx).map(|()| Actual::Nothing),
            Wait::Dial { .. } | Wait::Accept(_) => unreachable!("these are futures"),
        };
        match polled {
            Poll::Ready(actual) => Some(actual),
            Poll::Pending => None,
        }
    }

    /// Runs an operation that does not wait.
    fn once(&self, wait: &Wait) -> Option<Actual<N>> {
        match wait {
            Wait::Dial { host, text, .. } => pin!(self.hosts[host].dial(text.clone())).try_wait().map(Actual::conn),
            Wait::Accept(listener) => Some(Actual::conn(self.listeners[listener].try_accept())),
            Wait::Read { conn, len, take: true } => {
                let mut buf = vec![0; *len];
                let read = self.conns[conn].any().try_read(&mut buf);
                Some(Actual::read(read, buf))
            }
            Wait::Write { conn, bytes, .. } => Some(Actual::count(self.conns[conn].any().try_write(bytes))),
            _ => self.direct(wait, &mut Context::from_waker(Waker::noop())),
        }
    }

    /// Runs an operation whose time limit has passed when it starts.
    fn timed(&self, wait: &Wait) -> Actual<N> {
        let shortest = Some(Duration::from_nanos(1));
        match wait {
            Wait::Dial { host, text, .. } => {
                Actual::conn(self.hosts[host].dial(text.clone()).wait_timeout(Duration::ZERO))
            }
            Wait::Accept(listener) => Actual::conn(self.listeners[listener].accept().wait_timeout(Duration::ZERO)),
            Wait::Read { conn, len, take } => {
                let (mut conn, other, mut buf) = (self.conns[conn].any(), self.conns[conn].other(), vec![0; *len]);
                if !take {
                    let read = conn.peek(&mut buf).wait_timeout(Duration::ZERO);
                    return Actual::read(read, buf);
                }
                other.set_read_timeout(shortest).expect("it is not zero");
                let read = conn.read(&mut buf);
                other.set_read_timeout(None).expect("no limit is one");
                Actual::read(read, buf)
            }
            Wait::Write { conn, bytes, .. } => {
                let (mut conn, other) = (self.conns[conn].any(), self.conns[conn].other());
                other.set_write_timeout(shortest).expect("it is not zero");
                let written = conn.write(bytes);
                other.set_write_timeout(None).expect("no limit is one");
                Actual::count(written)
            }
            Wait::Readable(conn) => Actual::nothing(self.conns[conn].any().readable().wait_timeout(Duration::ZERO)),
            Wait::Writable(conn) => Actual::nothing(self.conns[conn].any().writable().wait_timeout(Duration::ZERO)),
        }
    }

    /// An operation as a line of a program.
    pub(super) fn code(&self, id: Id) -> String {
        match self.model.wait(id) {
            Wait::Dial { host, text, verdict, .. } if self.relay.is_some() => {
                format!("{host}.dial({text:?}) /* {verdict:?} */")
            }
            Wait::Dial { host, text, .. } => format!("{host}.dial({text:?})"),
            Wait::Accept(listener) => format!("l{listener}.accept()"),
            Wait::Read { conn, len, take: true } => format!("c{conn}.read(&mut [0; {len}])"),
            Wait::Read { conn, len, take: false } => format!("c{conn}.peek(&mut [0; {len}])"),
            Wait::Write { conn, bytes, by } => format!("c{conn}.write(&{bytes:?}) /* task {by} */"),
            Wait::Readable(conn) => format!("c{conn}.readable()"),
            Wait::Writable(conn) => format!("c{conn}.writable()"),
        }
    }

    /// Makes another task poll the operation from now on.
    pub(super) fn change_task(&mut self, id: Id) {
        let flag = self.task(id);
        if let Some(waiting) = self.waits.get_mut(&id) {
            waiting.flag = flag;
        }
    }
}
