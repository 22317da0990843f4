//! The operations on the network, its hosts and listeners.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use virtnet::{Cause, Host, NetRef, NetRefExt as _, Notifier as _, SubNetwork};

use super::exec::nth;
use super::outcome::cause;
use super::{Report, World, differ};
use crate::model::{Id, Wait};
use crate::op::{Kind, Op};

/// The names of hosts: usual ones, one that is printed in brackets, and two invalid ones.
const NAMES: [&str; 6] = ["a", "b", "γ", "x:y", "", "[q"];

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
            self.listen(name, ":9", report)?;
        }
        Ok(())
    }

    fn subnet(&self) -> &SubNetwork<N::Engine, N::Registry, N::Tables> {
        &self.net
    }

    pub(super) fn host(&self, name: &str) -> Host<N> {
        self.net.get_host(name).expect("the model has this host")
    }

    pub(super) fn exec_net(&mut self, op: Op, report: &mut Report) -> Result<bool, String> {
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

    pub(super) fn exec_listener(&mut self, op: Op, report: &mut Report) -> Result<bool, String> {
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
