//! The operations on the network, its hosts and listeners.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use virtnet::{Cause, NetRef, NetRefExt as _, Notifier as _, SubNetwork};

use super::exec::nth;
use super::outcome::cause;
use super::{Report, World, differ};
use crate::model::{self, Id, Wait};
use crate::op::{Kind, Op};

/// The names of hosts: usual ones, one that is printed in brackets, and two invalid ones.
pub(super) const NAMES: [&str; 6] = ["a", "b", "γ", "x:y", "", "[q"];

/// The cause with which a network fails.
const FAILURE: &str = "cable unplugged";

impl<'w, N: NetRef + 'w> World<'w, N> {
    /// Sets up the start of every program: hosts, each but the last with a listener.
    pub(super) fn prelude(&mut self, report: &mut Report) -> Result<(), String> {
        let hosts = self.setup.hosts.min(self.setup.rules.hosts);
        for name in &NAMES[..hosts] {
            self.new_host(name, report)?;
        }
        for name in &NAMES[..hosts - 1] {
            let host = model::Host { name: (*name).into(), life: 0 };
            self.listen(&host, ":9", report)?;
        }
        Ok(())
    }

    fn subnet(&self) -> &SubNetwork<N::Engine, N::Registry, N::Tables> {
        &self.net
    }

    /// Picks a host in its newest life, or rarely in any.
    pub(super) fn pick(&self, number: u8, rarely: u8) -> model::Host {
        let newest = self.model.newest_hosts();
        let of = |count: usize| usize::from(number) % count;
        if rarely < 240 {
            newest[of(newest.len())].clone()
        } else {
            self.hosts.keys().nth(of(self.hosts.len())).expect("it is one of them").clone()
        }
    }

    pub(super) fn exec_net(&mut self, op: Op, report: &mut Report) -> Result<bool, String> {
        match op.kind {
            Kind::NewHost => self.new_host(NAMES[usize::from(op.on) % NAMES.len()], report)?,
            Kind::Host => {
                let name = NAMES[usize::from(op.on) % NAMES.len()];
                let known = self.model.newest(name).map(|newest| &self.hosts[newest]);
                match (self.net.get_host(name), known) {
                    (Some(host), Some(known)) if host == *known && &*host.name() == name => {}
                    (None, None) => self.new_host(name, report)?,
                    (host, _) => return Err(format!("host {name:?} known: {known:?}, got {host:?}")),
                }
            }
            Kind::CloseHost => {
                let host = self.pick(op.on, op.with);
                report.say(|| format!("{host}.close().wait();"));
                let closed = pin!(self.hosts[&host].close()).try_wait().expect("nothing waits");
                same(closed, self.model.close_host(&host), report)?;
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
        let made = pin!(self.net.new_host(name)).try_wait().expect("nothing waits");
        same(made.as_ref().map(drop).map_err(ToString::to_string), self.model.new_host(name), report)?;
        if let (Ok(host), Some(id)) = (made, self.model.newest(name)) {
            self.hosts.insert(id.clone(), host);
        }
        Ok(())
    }

    pub(super) fn exec_listener(&mut self, op: Op, report: &mut Report) -> Result<bool, String> {
        if op.kind == Kind::Listen {
            let (host, other) = (self.pick(op.on, op.with), self.pick(op.on / 16, 0));
            let (own, other) = (&*host.name, &*other.name);
            let in_brackets = |name: &str| if name.contains(':') { format!("[{name}]") } else { name.to_owned() };
            let text = match op.with % 20 {
                0..=4 => String::new(),
                5 | 6 => ":0".into(),
                7..=10 => format!(":{}", op.with % 4 + 1),
                11..=13 => format!("{}:{}", in_brackets(own), op.with % 3),
                14 => format!("{}:{}", in_brackets(other), op.with % 3),
                15 => "a:b:c".into(),
                16 => format!("{}:x", in_brackets(own)),
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

    fn listen(&mut self, host: &model::Host, text: &str, report: &mut Report) -> Result<(), String> {
        report.say(|| format!("{host}.listen({text:?})"));
        let (got, want) = (self.hosts[host].listen(text), self.model.listen(host, text));
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
        // Pending accepts borrow the listener, so they are dropped first.
        self.give_up_all(|_, wait| *wait == Wait::Accept(id), report);
        report.say(|| format!("drop(l{id});"));
        self.listeners.remove(&id);
        self.model.drop_listener(id);
    }
}

/// Compares the printed texts of two outcomes.
pub(super) fn same<T: std::fmt::Debug + PartialEq>(
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
