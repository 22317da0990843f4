//! Operations, carried out on the network and on the model.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use virtnet::{Cause, Handle, Host, Notifier as _, SubNetwork};

use super::job::{OWN, cause};
use super::{Ends, Report, World, differ};
use crate::model::{How, Id, Model, Verdict, Wait};
use crate::op::{Kind, Mode, Op};

/// The names of hosts: usual ones, one that is printed in brackets, and two that are none.
const NAMES: [&str; 6] = ["a", "b", "γ", "x:y", "", "[q"];

/// Why a network fails that does.
const FAILURE: &str = "cable unplugged";

impl<'w, N: Handle + 'w> World<'w, N> {
    /// What every program begins with: hosts, each but the last with a listener.
    pub(super) fn prelude(&mut self, report: &mut Report) -> Result<(), String> {
        let hosts = self.setup.hosts.min(self.setup.rules.hosts);
        for name in &NAMES[..hosts] {
            self.new_host(name, report)?;
        }
        for name in &NAMES[..hosts - 1] {
            self.listen(name, ":9", report)?;
        }
        Ok(())
    }

    /// Carries an operation out; says whether there was anything to do.
    pub(super) fn exec(&mut self, op: Op, report: &mut Report) -> Result<bool, String> {
        match op.kind {
            Kind::Host | Kind::NewHost | Kind::CloseHost | Kind::AutoClose | Kind::CloseNetwork | Kind::Fail => {
                self.exec_net(op, report)
            }
            Kind::Listen | Kind::CloseListener | Kind::DropListener => self.exec_listener(op, report),
            Kind::Dial | Kind::DialAstray | Kind::Accept | Kind::Connect => self.exec_connect(op, report),
            Kind::Read | Kind::Peek | Kind::Write | Kind::Readable | Kind::Writable | Kind::Flush => {
                self.exec_bytes(op, report)
            }
            Kind::CloseWrite
            | Kind::Close
            | Kind::Abort
            | Kind::Drop
            | Kind::Split
            | Kind::DropRead
            | Kind::DropWrite
            | Kind::Reunite => self.exec_conn(op, report),
            _ => self.exec_wait(op, report),
        }
    }

    fn subnet(&self) -> &SubNetwork<N::Engine, N::Registry, N::Tables> {
        &self.net
    }

    pub(super) fn host(&self, name: &str) -> Host<N> {
        self.net.get_host(name).expect("the model has this host")
    }

    fn exec_net(&mut self, op: Op, report: &mut Report) -> Result<bool, String> {
        match op.kind {
            Kind::NewHost => self.new_host(NAMES[usize::from(op.on) % NAMES.len()], report)?,
            Kind::Host => {
                let name = NAMES[usize::from(op.on) % NAMES.len()];
                let known = self.model.host_names().iter().any(|known| &**known == name);
                match (self.net.get_host(name), known) {
                    (Some(host), true) if &*host.name() == name => {}
                    (None, false) => self.new_host(name, report)?,
                    (host, _) => return Err(format!("host {name:?} known: {known}, got {host:?}")),
                }
            }
            Kind::CloseHost => {
                let names = self.model.host_names();
                let name = &*names[usize::from(op.on) % names.len()];
                report.say(|| format!("net.host({name:?})?.close().wait();"));
                let closed = pin!(self.host(name).close()).try_wait().expect("nothing waits");
                same(closed, self.model.close_host(name), report)?;
            }
            Kind::AutoClose => {
                report.say(|| "net.auto_close();".into());
                same(self.net.auto_close(), self.model.auto_close(), report)?;
            }
            Kind::CloseNetwork => {
                report.say(|| "net.close();".into());
                let closed = pin!(self.net.close()).try_wait().expect("nothing waits");
                same(closed, self.model.close(), report)?;
            }
            _ => {
                report.say(|| format!("net.subnetwork().notifier().down(Cause::backend(&{FAILURE:?})).await;"));
                self.model.fail(FAILURE);
                let notifier = self.subnet().notifier();
                let down = pin!(notifier.down(Cause::backend(&FAILURE)));
                if down.poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                    return Err("a failing network waits".into());
                }
            }
        }
        Ok(true)
    }

    fn new_host(&mut self, name: &str, report: &mut Report) -> Result<(), String> {
        report.say(|| format!("net.new_host({name:?});"));
        let made = pin!(self.net.new_host(name)).try_wait().expect("nothing waits").map(drop);
        same(made, self.model.new_host(name), report)
    }

    fn exec_listener(&mut self, op: Op, report: &mut Report) -> Result<bool, String> {
        if op.kind == Kind::Listen {
            let names = self.model.host_names();
            let host = names[usize::from(op.on) % names.len()].clone();
            let other = names[usize::from(op.on / 16) % names.len()].clone();
            let in_brackets = |name: &str| if name.contains(':') { format!("[{name}]") } else { name.to_owned() };
            let text = match op.with % 20 {
                0..=4 => String::new(),
                5 | 6 => ":0".into(),
                7..=10 => format!(":{}", op.with % 4 + 1),
                11..=13 => format!("{}:{}", in_brackets(&host), op.with % 3),
                14 => format!("{}:{}", in_brackets(&other), op.with % 3),
                15 => "a:b:c".into(),
                16 => format!("{}:x", in_brackets(&host)),
                17 => ":65535".into(),
                18 => ":40000".into(),
                _ => "nobody:1".into(),
            };
            self.listen(&host, &text, report)?;
            return Ok(true);
        }
        let Some(id) = nth(self.listeners.keys(), op.on) else { return Ok(false) };
        if op.kind == Kind::CloseListener {
            report.say(|| format!("l{id}.close();"));
            self.listeners[&id].close();
            self.model.close_listener(id);
        } else {
            self.drop_listener(id, report);
        }
        Ok(true)
    }

    fn listen(&mut self, host: &str, text: &str, report: &mut Report) -> Result<(), String> {
        report.say(|| format!("net.host({host:?})?.listen({text:?})"));
        let (got, want) = (self.host(host).listen(text), self.model.listen(host, text));
        let addr = |id: &Id| self.model.socket(*id).addr().to_string();
        let shown = got.as_ref().map(|listener| listener.local_addr().to_string()).map_err(ToString::to_string);
        same(shown, want.as_ref().map(addr).map_err(Clone::clone), report)?;
        if let (Ok(listener), Ok(id)) = (got, want) {
            report.note(|| format!("as l{id}"));
            self.listeners.insert(id, Arc::new(listener));
        }
        Ok(())
    }

    pub(super) fn drop_listener(&mut self, id: Id, report: &mut Report) {
        // Nobody waits any more in what is dropped: that would borrow it.
        self.give_up_all(|_, wait| *wait == Wait::Accept(id), report);
        report.say(|| format!("drop(l{id});"));
        self.listeners.remove(&id);
        self.model.drop_listener(id);
    }

    fn exec_connect(&mut self, op: Op, report: &mut Report) -> Result<bool, String> {
        let names = self.model.host_names();
        let host = names[usize::from(op.with) % names.len()].clone();
        let verdict = match op.with % 8 {
            _ if self.relay.is_none() => Verdict::Acknowledge,
            0..=3 => Verdict::Acknowledge,
            4..=6 => Verdict::Open,
            _ => Verdict::Refuse,
        };
        let dial = |text: String, verdict| Wait::Dial { host: host.clone(), text, verdict, begun: None };
        if op.kind == Kind::DialAstray {
            let texts = ["nobody:1", "a:0", "b:77", "a", "", "a:b", "a:1:2", "[x:y]:9", ":2", "a]:1", "γ:9", ":70000"];
            let text = texts[usize::from(op.on) % texts.len()].to_owned();
            self.start(dial(text, verdict), op.mode, report)?;
            return Ok(true);
        }
        let Some(listener) = nth(self.listeners.keys(), op.on) else { return Ok(false) };
        let addr = self.model.socket(listener).addr();
        let text = if addr.host == host && op.with >= 128 { format!(":{}", addr.port) } else { addr.to_string() };
        match op.kind {
            Kind::Dial => self.start(dial(text, verdict), op.mode, report)?,
            Kind::Accept => {
                let accepts = self.accepts(listener);
                // In a fixed network, the third makes the others look again, which is as good as polling them.
                if self.setup.rules.acknowledged && accepts >= 2 && op.mode != Mode::Now {
                    return Ok(false);
                }
                self.start(Wait::Accept(listener), op.mode, report)?;
            }
            _ => {
                self.start(dial(text, Verdict::Acknowledge), Mode::Later, report)?;
                self.start(Wait::Accept(listener), Mode::Now, report)?;
                self.settle(report)?;
                if self.relay.is_some() {
                    self.start(Wait::Accept(listener), Mode::Now, report)?;
                }
            }
        }
        Ok(true)
    }

    fn accepts(&self, listener: Id) -> usize {
        self.waits.keys().filter(|&&id| *self.model.wait(id) == Wait::Accept(listener)).count()
    }

    fn exec_bytes(&mut self, op: Op, report: &mut Report) -> Result<bool, String> {
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
                if !self.may_write(conn, if op.mode == Mode::Now { 0 } else { OWN }) {
                    return Ok(false);
                }
                // What does not wait may come again with the same bytes, to hear what became of them.
                let again = op.mode == Mode::Now && op.with >= 128;
                let bytes = if again { vec![b'n'; len.min(2)] } else { self.bytes(len) };
                Wait::Write { conn, bytes, by: OWN }
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

    /// In a fixed rendezvous, answers are kept for two tasks that are late to fetch them.
    fn may_write(&mut self, conn: Id, by: Id) -> bool {
        let endless = self.setup.rules.sockets == crate::model::ENDLESS;
        endless || !self.setup.rules.rendezvous || self.model.late_writers(conn, by) < 2
    }

    /// The next bytes to be written: each one more than the last.
    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let bytes = (0..len).map(|_| {
            self.byte = self.byte.wrapping_add(1);
            self.byte
        });
        bytes.collect()
    }

    fn exec_conn(&mut self, op: Op, report: &mut Report) -> Result<bool, String> {
        let Some(id) = nth(self.conns.keys(), op.on) else { return Ok(false) };
        match op.kind {
            Kind::CloseWrite => {
                report.say(|| format!("c{id}.close_write();"));
                same(self.conns[&id].any().close_write(), self.model.close_write(id), report)?;
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
                // Whoever waits goes on with the whole.
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
                    // Dropping it shuts down writing, if there is any.
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

    fn exec_wait(&mut self, op: Op, report: &mut Report) -> Result<bool, String> {
        if op.kind == Kind::Settle {
            self.settle(report)?;
            return Ok(true);
        }
        let Some(id) = nth(self.waits.keys(), op.on) else { return Ok(false) };
        let wait = self.model.wait(id).clone();
        match (op.kind, wait) {
            (Kind::Poll, _) => {
                report.say(|| "//".into());
                self.poll(id, report)?;
            }
            // A pending write belongs to its task, and so does what a listener has claimed for an accept.
            (Kind::PollElsewhere, Wait::Write { .. }) if self.setup.rules.rendezvous => return Ok(false),
            (Kind::PollElsewhere, Wait::Accept(_)) if self.setup.rules.acknowledged => return Ok(false),
            (Kind::PollElsewhere, _) => {
                report.say(|| "// another task".into());
                self.change_task(id);
                self.poll(id, report)?;
            }
            (Kind::Rewrite, Wait::Write { conn, .. }) => {
                if !self.may_write(conn, id) {
                    return Ok(false);
                }
                let other = self.bytes(usize::from(op.with % 5));
                report.say(|| format!("// {id} goes on with {other:?}"));
                if let Wait::Write { bytes, .. } = self.model.wait_mut(id) {
                    *bytes = other;
                }
                self.poll(id, report)?;
            }
            (Kind::GiveUp, _) => self.give_up(id, report),
            (Kind::Acknowledge | Kind::Refuse, Wait::Dial { verdict: Verdict::Open, begun: Some(_), .. }) => {
                let word = if op.kind == Kind::Refuse { Verdict::Refuse } else { Verdict::Acknowledge };
                report.say(|| format!("// the backend: {word:?} {id}"));
                if let Wait::Dial { verdict, .. } = self.model.wait_mut(id) {
                    *verdict = word;
                }
                self.tell_relay(id);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn give_up(&mut self, id: Id, report: &mut Report) {
        report.say(|| format!("drop(w{id});"));
        self.waits.remove(&id);
        self.model.give_up(id);
    }

    fn give_up_all(&mut self, mut which: impl FnMut(&Model, &Wait) -> bool, report: &mut Report) {
        let ids: Vec<Id> = self.waits.keys().copied().filter(|&id| which(&self.model, self.model.wait(id))).collect();
        ids.into_iter().for_each(|id| self.give_up(id, report));
    }
}

/// The connection that an operation is of.
fn conn_of(wait: &Wait) -> Option<Id> {
    match wait {
        Wait::Read { conn, .. } | Wait::Write { conn, .. } | Wait::Readable(conn) | Wait::Writable(conn) => Some(*conn),
        Wait::Dial { .. } | Wait::Accept(_) => None,
    }
}

/// One of several, by any number.
fn nth<'a>(mut ids: impl ExactSizeIterator<Item = &'a Id>, number: u8) -> Option<Id> {
    let count = ids.len();
    if count == 0 { None } else { ids.nth(usize::from(number) % count).copied() }
}

/// Whether two outcomes print the same.
fn same<T: std::fmt::Debug + PartialEq>(
    got: Result<T, impl ToString>,
    want: Result<T, String>,
    report: &mut Report,
) -> Result<(), String> {
    let got = got.map_err(|error| error.to_string());
    report.note(|| format!("{got:?}"));
    if let Err(error) = &want {
        report.count(cause(error));
    }
    if got == want { Ok(()) } else { Err(differ("outcome", &format!("{got:?}"), &format!("{want:?}"))) }
}
