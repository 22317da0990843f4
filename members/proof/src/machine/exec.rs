//! Runs operations on the network and on the model.

use virtnet::NetRef;

use super::job::writer;
use super::{Report, World};
use crate::model::{Id, Model, Verdict, Wait};
use crate::op::{Kind, Mode, Op};

impl<'w, N: NetRef + 'w> World<'w, N> {
    /// Runs an operation; returns whether it applied to anything.
    pub(super) fn exec(&mut self, op: Op, report: &mut Report) -> Result<bool, String> {
        match op.kind {
            Kind::Host | Kind::NewHost | Kind::CloseHost | Kind::AutoClose | Kind::CloseNetwork | Kind::Fail => {
                self.exec_net(op, report)
            }
            Kind::Crash | Kind::PowerOff | Kind::Restart | Kind::Bounce => self.exec_death(op, report),
            Kind::Fault => self.exec_fault(op, report),
            Kind::Listen | Kind::CloseListener | Kind::DropListener => self.exec_listener(op, report),
            Kind::Dial | Kind::DialAstray | Kind::Accept | Kind::Connect => self.exec_connect(op, report),
            Kind::Read | Kind::Peek | Kind::Write | Kind::Readable | Kind::Writable | Kind::Flush => {
                self.exec_bytes(op, report)
            }
            Kind::CloseWrite
            | Kind::CloseRead
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

    fn exec_connect(&mut self, op: Op, report: &mut Report) -> Result<bool, String> {
        let host = self.pick(op.with, op.with);
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
        let text = if addr.host == host.name && op.with >= 128 { format!(":{}", addr.port) } else { addr.to_string() };
        match op.kind {
            Kind::Dial => self.start(dial(text, verdict), op.mode, report)?,
            Kind::Accept => {
                let accepts = self.accepts(listener);
                // In a fixed-size network, a third accept wakes the other accepts, which would count as polling them.
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
            // In a rendezvous network, this makes it a different write.
            (Kind::PollElsewhere, Wait::Write { conn, by, .. }) => {
                let other = writer(Op { mode: Mode::Later, ..op });
                if other == by || !self.may_write(conn, other) {
                    return Ok(false);
                }
                self.give_up_write_of(other, report);
                report.say(|| format!("// task {other}"));
                if let Wait::Write { by, .. } = self.model.wait_mut(id) {
                    *by = other;
                }
                self.change_task(id);
                self.poll(id, report)?;
            }
            // A connection that a listener has claimed for an accept belongs to the accept's task.
            (Kind::PollElsewhere, Wait::Accept(_)) if self.setup.rules.acknowledged => return Ok(false),
            (Kind::PollElsewhere, _) => {
                report.say(|| "// another task".into());
                self.change_task(id);
                self.poll(id, report)?;
            }
            (Kind::Rewrite, Wait::Write { .. }) => {
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

    /// Drops the pending write of a task, which has one write at a time.
    pub(super) fn give_up_write_of(&mut self, task: Id, report: &mut Report) {
        self.give_up_all(|_, wait| matches!(wait, Wait::Write { by, .. } if *by == task), report);
    }

    pub(super) fn give_up_all(&mut self, mut which: impl FnMut(&Model, &Wait) -> bool, report: &mut Report) {
        let ids: Vec<Id> = self.waits.keys().copied().filter(|&id| which(&self.model, self.model.wait(id))).collect();
        ids.into_iter().for_each(|id| self.give_up(id, report));
    }
}

/// Picks one of several by any number.
pub(super) fn nth<'a>(mut ids: impl ExactSizeIterator<Item = &'a Id>, number: u8) -> Option<Id> {
    let count = ids.len();
    if count == 0 { None } else { ids.nth(usize::from(number) % count).copied() }
}
