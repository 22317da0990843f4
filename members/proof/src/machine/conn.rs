//! The operations on connections.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use virtnet::NetRef;

use super::exec::nth;
use super::job::writer;
use super::net::same;
use super::{Ends, Report, World};
use crate::model::{ENDLESS, How, Id, Model, Wait};
use crate::op::{Kind, Mode, Op};

impl<'w, N: NetRef + 'w> World<'w, N> {
    pub(super) fn exec_bytes(&mut self, op: Op, report: &mut Report) -> Result<bool, String> {
        let Some(conn) = nth(self.conns.keys(), op.on) else { return Ok(false) };
        let size = self.setup.rules.buffer;
        let len = match op.with % 12 {
            0 => 0,
            len @ 1..=5 => usize::from(len),
            6 => size,
            7 => size + 1,
            8 => size.div_ceil(2),
            9 => 2 * size + 1,
            10 => size.saturating_sub(1),
            _ => 1,
        };
        let wait = match op.kind {
            Kind::Read => Wait::Read { conn, len, take: true },
            Kind::Peek => Wait::Read { conn, len, take: false },
            Kind::Readable => Wait::Readable(conn),
            Kind::Writable => Wait::Writable(conn),
            Kind::Write => {
                let by = writer(op);
                if !self.may_write(conn, by) {
                    return Ok(false);
                }
                self.give_up_write_of(by, report);
                // A write may be repeated with the same bytes, to get the count of those.
                let again = op.with >= if op.mode == Mode::Now { 128 } else { 192 };
                let bytes = if again { vec![b'n'; len.min(2)] } else { self.bytes(len) };
                Wait::Write { conn, bytes, by }
            }
            _ => {
                report.say(|| format!("c{conn}.poll_flush(cx);"));
                return match self.conns[&conn].any().poll_flush(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(Ok(())) => Ok(true),
                    other => Err(format!("flush of c{conn}: {other:?}")),
                };
            }
        };
        self.start(wait, op.mode, report)?;
        Ok(true)
    }

    /// In a fixed-size rendezvous network, three tasks may write to one connection: those with a pending write, those
    /// that have yet to fetch the count of a write, and `by`.
    pub(super) fn may_write(&self, conn: Id, by: Id) -> bool {
        let endless = self.setup.rules.sockets == ENDLESS;
        endless || !self.setup.rules.rendezvous || self.model.other_writers(conn, by) < 3
    }

    /// The next bytes to write: each is the previous one plus one.
    pub(super) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let bytes = (0..len).map(|_| {
            self.byte = self.byte.wrapping_add(1);
            self.byte
        });
        bytes.collect()
    }

    pub(super) fn exec_conn(&mut self, op: Op, report: &mut Report) -> Result<bool, String> {
        let Some(id) = nth(self.conns.keys(), op.on) else { return Ok(false) };
        match op.kind {
            Kind::CloseWrite => {
                report.say(|| format!("c{id}.close_write();"));
                same(self.conns[&id].any().close_write(), self.model.close_write(id), report)?;
            }
            Kind::CloseRead => {
                report.say(|| format!("c{id}.close_read();"));
                same(self.conns[&id].any().close_read(), self.model.close_read(id), report)?;
            }
            Kind::Close => {
                report.say(|| format!("c{id}.close();"));
                self.conns[&id].any().close();
                self.model.close_conn(id, How::Close);
            }
            Kind::Abort => {
                report.say(|| format!("c{id}.abort();"));
                self.conns[&id].any().abort();
                self.model.close_conn(id, How::Abort);
            }
            Kind::Drop => self.drop_conn(id, report),
            Kind::Split if matches!(self.conns[&id], Ends::Whole(_)) => {
                self.give_up_all(|_, wait| conn_of(wait) == Some(id), report);
                report.say(|| format!("let (r{id}, w{id}) = c{id}.into_split();"));
                if let Some(Ends::Whole(conn)) = self.conns.remove(&id) {
                    let conn = Arc::into_inner(conn).expect("nobody waits on it");
                    let (read, write) = conn.into_split();
                    self.conns.insert(id, Ends::Halves(Some(read), Some(write)));
                }
            }
            Kind::DropRead | Kind::DropWrite | Kind::Reunite => return self.exec_half(id, op.kind, report),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn exec_half(&mut self, id: Id, kind: Kind, report: &mut Report) -> Result<bool, String> {
        match (self.conns.remove(&id), kind) {
            (Some(Ends::Halves(Some(read), Some(write))), Kind::Reunite) => {
                report.say(|| format!("let c{id} = r{id}.reunite(w{id})?;"));
                let conn = read.reunite(write).map_err(|error| error.to_string())?;
                self.conns.insert(id, Ends::Whole(Arc::new(conn)));
                // Pending operations continue with the whole connection.
            }
            (Some(Ends::Halves(Some(read), write)), Kind::DropRead) => {
                let last = write.is_none();
                self.conns.insert(id, Ends::Halves(Some(read), write));
                if last {
                    self.drop_conn(id, report);
                } else {
                    let reads = |_: &Model, wait: &Wait| matches!(wait, Wait::Read { .. } | Wait::Readable(_));
                    self.give_up_all(|model, wait| conn_of(wait) == Some(id) && reads(model, wait), report);
                    report.say(|| format!("drop(r{id});"));
                    if let Some(Ends::Halves(read, _)) = self.conns.get_mut(&id) {
                        *read = None;
                    }
                }
            }
            (Some(Ends::Halves(read, Some(write))), Kind::DropWrite) => {
                let last = read.is_none();
                self.conns.insert(id, Ends::Halves(read, Some(write)));
                if last {
                    self.drop_conn(id, report);
                } else {
                    let writes = |wait: &Wait| matches!(wait, Wait::Write { .. } | Wait::Writable(_));
                    self.give_up_all(|_, wait| conn_of(wait) == Some(id) && writes(wait), report);
                    report.say(|| format!("drop(w{id});"));
                    if let Some(Ends::Halves(_, write)) = self.conns.get_mut(&id) {
                        *write = None;
                    }
                    // Dropping the half shuts down writing, if the connection is open.
                    let _ = self.model.close_write(id);
                }
            }
            (Some(ends), _) => {
                self.conns.insert(id, ends);
                return Ok(false);
            }
            (None, _) => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn drop_conn(&mut self, id: Id, report: &mut Report) {
        self.give_up_all(|_, wait| conn_of(wait) == Some(id), report);
        report.say(|| format!("drop(c{id});"));
        self.conns.remove(&id);
        self.model.drop_conn(id);
    }
}

/// The connection that an operation belongs to.
fn conn_of(wait: &Wait) -> Option<Id> {
    match wait {
        Wait::Read { conn, .. } | Wait::Write { conn, .. } | Wait::Readable(conn) | Wait::Writable(conn) => Some(*conn),
        Wait::Dial { .. } | Wait::Accept(_) => None,
    }
}
