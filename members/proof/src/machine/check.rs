//! The comparisons after each operation, and at the end.

use virtnet::{Host, NetRef};

use super::{Report, World, differ};
use crate::model::{ENDLESS, Id};

impl<'w, N: NetRef + 'w> World<'w, N> {
    /// Polls every operation that the model can advance, in the order of their start, and then all other woken
    /// operations.
    pub(super) fn settle(&mut self, report: &mut Report) -> Result<(), String> {
        report.say(|| "// settle".into());
        loop {
            let Some(id) = self.stirring().next() else { break };
            self.check_woken(id)?;
            self.poll(id, report)?;
        }
        let woken: Vec<Id> = self.begun().filter(|id| self.waits[id].flag.is_set()).collect();
        for id in woken {
            if self.waits.contains_key(&id) {
                self.poll(id, report)?;
            }
        }
        Ok(())
    }

    /// The operations that were polled and are not done.
    fn begun(&self) -> impl Iterator<Item = Id> {
        self.waits.keys().copied().filter(|id| self.waits[id].polled)
    }

    /// The operations that another poll would advance.
    fn stirring(&self) -> impl Iterator<Item = Id> {
        self.begun().filter(|&id| self.model.stirs(id))
    }

    fn check_woken(&self, id: Id) -> Result<(), String> {
        if self.waits[&id].flag.is_set() {
            Ok(())
        } else {
            Err(format!("lost wake: {id}, {}, would get further and was not woken", self.code(id)))
        }
    }

    /// Compares the visible state of the network with the model.
    pub(super) fn check(&self) -> Result<(), String> {
        self.stirring().try_for_each(|id| self.check_woken(id))?;
        for (id, host) in &self.hosts {
            let (got, want) = (host.sockets(), self.model.sockets_of(id));
            if got != want {
                return Err(differ(&format!("sockets of {id:?}"), &got.to_string(), &want.to_string()));
            }
        }
        if let Some(got) = self.pipes.map(|pipes| pipes())
            && got != self.model.pipes()
        {
            return Err(differ("pipes", &got.to_string(), &self.model.pipes().to_string()));
        }
        let is = |got: virtnet::Addr, want: Option<&crate::model::Addr>| {
            want.is_some_and(|want| (got.host(), got.port()) == (&*want.host, want.port))
        };
        for (&id, ends) in &self.conns {
            let (conn, socket) = (ends.any(), self.model.socket(id));
            if !is(conn.local_addr(), Some(&socket.addr())) || !is(conn.peer_addr(), socket.peer()) {
                return Err(differ("connection", &format!("{conn:?}"), &format!("{socket:?}")));
            }
        }
        for (&id, listener) in &self.listeners {
            if !is(listener.local_addr(), Some(&self.model.socket(id).addr())) {
                return Err(differ("listener", &format!("{listener:?}"), &format!("{:?}", self.model.socket(id))));
            }
        }
        Ok(())
    }

    /// Drops everything, and asserts that all resources are free.
    pub(super) fn finish(&mut self, report: &mut Report) -> Result<(), String> {
        let order = |ids: Vec<Id>, reversed: bool| if reversed { ids.into_iter().rev().collect() } else { ids };
        let reversed = self.setup.reversed;
        for id in order(self.waits.keys().copied().collect(), reversed) {
            self.give_up(id, report);
            self.check()?;
        }
        let mut sockets: Vec<Id> = self.conns.keys().chain(self.listeners.keys()).copied().collect();
        sockets.sort_unstable();
        for id in order(sockets, reversed) {
            if self.conns.contains_key(&id) {
                self.drop_conn(id, report)
            } else {
                self.drop_listener(id, report)
            }
            self.check()?;
        }
        let left = self.hosts.values().map(Host::sockets).sum::<usize>();
        if left > 0 || self.pipes.is_some_and(|pipes| pipes() > 0) {
            return Err(format!("{left} sockets are left, or some pipes"));
        }
        self.check_all_free()
    }

    /// Asserts that all ports and sockets can be used again.
    fn check_all_free(&self) -> Result<(), String> {
        let open = self.hosts.iter().find(|(id, _)| self.model.is_open(id));
        let Some((_, host)) = open.filter(|_| self.model.is_up()) else { return Ok(()) };
        let most = self.setup.rules.sockets;
        let mut listeners = Vec::new();
        for port in 1..=most.min(12) {
            let listener = host.listen("").map_err(|error| format!("port {port} is not free: {error}"))?;
            if usize::from(listener.local_addr().port()) != port {
                return Err(format!("port {port} is not free"));
            }
            listeners.push(listener);
        }
        match host.listen(":0") {
            Err(error) if most <= 12 && error.to_string().ends_with(&format!("port table is full ({most})")) => Ok(()),
            Ok(_) if most > 12 || most == ENDLESS => Ok(()),
            other => Err(format!("a table of {most} sockets has room for another: {other:?}")),
        }
    }
}
