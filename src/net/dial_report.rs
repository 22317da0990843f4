//! How a dial is reported: its failures, and the events that an engine which observes is told.

use core::task::Context;

use crate::addr::Addr;
use crate::addr::to_addr::ToAddr;
use crate::contract::engine::Engine as _;
use crate::contract::observe::{CoreEvent, Gone, Intent, Ticket};
use crate::error::cause::Cause;
use crate::error::{Error, Operation};
use crate::net::dial::{DialState, Parsed, is_unknown};
use crate::net::host::Host;
use crate::net::net_ref::NetRef;
use crate::table::{Hosts as _, Tables as _};

impl<N: NetRef> DialState<N> {
    /// Whether an observer holds the dial, which has not begun. A malformed address fails at once.
    #[cold]
    pub(super) fn is_held(&self, addr: &dyn ToAddr, cx: &mut Context<'_>) -> bool {
        let Ok(target) = addr.to_addr() else { return false };
        let target = self.host.on_net(target);
        let dst = if N::Tables::GROWS { self.host.known_as(target) } else { target };
        let intent = Intent::Dial { dial: self.number(), host: &self.host.name(), dst: &dst };
        self.host.net.engine.poll_pass(cx, &intent, None).is_pending()
    }

    /// Tells an observer that the dial waits at the listener, or is over.
    #[inline(always)]
    pub(super) fn leave_gate(&self) {
        if self.host.net.engine.holds() {
            self.host.net.engine.cancel_pass(&Gone::Dial(self.number()), None);
        }
    }

    /// A number that no other dial has meanwhile: its state is pinned.
    fn number(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    /// Reports that the dial has its port, under the ticket that was drawn when it took it.
    #[inline(always)]
    pub(super) fn tell_dialled(&self, ticket: Option<Ticket>, (_, port): (u32, u16), target: &Addr) {
        if N::Engine::OBSERVED
            && let Some(ticket) = ticket
        {
            // The host that an IP address most likely means, as events name hosts.
            let dst = if N::Tables::GROWS { self.host.known_as(*target) } else { *target };
            let src = self.host.addr(port);
            self.host.net.tell(ticket, None, &CoreEvent::Dialled { src: &src, dst: &dst });
        }
    }

    /// As [`exchange`](DialState::exchange), for a dial that was reported with its first port: it is withdrawn from there,
    /// and dials from another.
    #[cold]
    #[inline(never)]
    pub(super) fn exchange_again(&mut self, first: (u32, u16), target: &Addr) -> Result<(u32, u16), Cause> {
        let Host { net, host } = &self.host;
        let there = net.tables.hosts(|hosts| hosts.find(target.host.as_bytes()).and_then(|id| hosts.host(id)));
        let Some(there) = there else { return Ok(first) };
        let mut tickets = None;
        let taken = || tickets = Some([net.engine.ticket(), net.engine.ticket()]);
        let source = (first.0, net.tables.exchange_port(host, first, &there, target.port, taken)?);
        if let Some([withdrawn, dialled]) = tickets {
            let [first, second] = [first, source].map(|(_, port)| self.host.addr(port));
            net.tell(withdrawn, None, &CoreEvent::Withdrawn { src: &first, dst: target });
            net.tell(dialled, None, &CoreEvent::Dialled { src: &second, dst: target });
        }
        self.source = Some(source);
        Ok(source)
    }

    /// Ends a dial that has no request at a listener, or no longer: gives its port back, and reports the failure.
    #[cold]
    pub(super) fn fail(&mut self, addr: &dyn ToAddr, cause: Cause) -> Error {
        let error = self.error(addr, cause);
        self.leave_gate();
        let ticket = self.give_back(true);
        let net = &self.host.net;
        net.tell(ticket.unwrap_or_else(|| net.engine.ticket()), None, &CoreEvent::Failed(&error));
        error
    }

    /// The error of a dial whose request may still be at a listener. It is reported before the request leaves, since
    /// the peer may have accepted it and then sees the connection end.
    #[cold]
    pub(super) fn give_up(&self, addr: &dyn ToAddr, cause: Cause) -> Error {
        let (error, net) = (self.error(addr, cause), &self.host.net);
        net.tell(net.engine.ticket(), None, &CoreEvent::Failed(&error));
        error
    }

    /// The error of this dial.
    #[cold]
    fn error(&self, addr: &dyn ToAddr, cause: Cause) -> Error {
        let Host { net, host } = &self.host;
        let source = self.source.map(|(_, port)| self.host.addr(port));
        let target = self.target(addr);
        let early = source.is_none() || target.is_none();
        let cause = if early { cause } else { net.down_cause(host, cause) };
        let error = Error::new(Operation::Dial, self.host.network_name(), source, target, cause);
        match target {
            Some(target) if N::Tables::GROWS && is_unknown(&cause) => self.host.net.hint_at_case(error, &target),
            _ => error,
        }
    }

    /// Reports that the dial was dropped before it was done, if it had begun.
    pub(super) fn tell_withdrawn(&self, addr: &dyn ToAddr) {
        if !N::Engine::OBSERVED {
            return;
        }
        if self.parsed == Parsed::Not {
            return self.leave_gate();
        }
        let (Some((_, port)), Some(dst)) = (self.source, self.target(addr)) else { return };
        let (src, net) = (self.host.addr(port), &self.host.net);
        net.tell(net.engine.ticket(), None, &CoreEvent::Withdrawn { src: &src, dst: &dst });
    }
}
