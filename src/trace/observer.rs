//! What a network tells a trace.

use core::sync::atomic::Ordering;
use core::task::{Context, Poll};

use crate::addr::name::{HostName, NetworkName};
use crate::contract::engine::Engine;
use crate::contract::layer::Layer;
use crate::contract::observe::{CoreEvent, Gone, Intent, Observer, RawEvent, Ticket};
use crate::trace::actor;
use crate::trace::recorder::{Picture, Trace};
use crate::trace::shard::{Load, Rare, Raw};
use crate::trace::traced::Traced;
#[cfg(feature = "sim")]
use crate::wait::clock::Clock;

impl Trace {
    /// An event of the core as it is kept; and whether it is one of those that a pause does not leave out.
    fn raw(event: &CoreEvent<'_>, end: Option<u32>) -> Option<(Raw, Option<Rare>, bool)> {
        let rare = |rare| Some((Raw::Rare, Some(rare), false));
        let host = |name: &str| HostName::valid(name, "");
        match *event {
            CoreEvent::HostMade { host: name } => rare(Rare::HostMade(host(name)?)),
            CoreEvent::HostClosed { host: name } => rare(Rare::HostClosed(host(name)?)),
            CoreEvent::HostDied { host: name, power_off } => rare(Rare::HostDied(host(name)?, power_off)),
            CoreEvent::HostBack { host: name } => rare(Rare::HostBack(host(name)?)),
            CoreEvent::Listened { addr } => rare(Rare::Listened(*addr)),
            CoreEvent::ListenerClosed { addr, dropped } => rare(Rare::ListenerClosed(*addr, dropped)),
            CoreEvent::Dialled { src, dst } => rare(Rare::Dialled { src: *src, dst: *dst }),
            CoreEvent::Withdrawn { src, dst } => rare(Rare::Withdrawn { src: *src, dst: *dst }),
            CoreEvent::Accepted { listener, local, peer } => {
                let accepted = Rare::Accepted { end: end?, listener: *listener, local: *local, peer: *peer };
                Some((Raw::Rare, Some(accepted), true))
            }
            CoreEvent::Connected { dialled, peer } => {
                let connected = Rare::Connected { end: end?, dialled: *dialled, peer: *peer };
                Some((Raw::Rare, Some(connected), true))
            }
            CoreEvent::Shut(how, reset) => Some((Raw::Shut { end: end?, how, reset }, None, false)),
            CoreEvent::Ended => Some((Raw::Ended { end: end? }, None, false)),
            CoreEvent::Failed(error) => rare(Rare::Failed(*error, end)),
            CoreEvent::NetworkDown(cause) => rare(Rare::NetworkDown(cause)),
            CoreEvent::NetworkClosed => Some((Raw::NetworkClosed, None, false)),
            CoreEvent::Void => None,
        }
    }

    /// The bytes of a write or read that are kept.
    fn kept<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(..self.shared.keep as usize).unwrap_or(bytes)
    }

    fn observe(&self, ticket: Option<Ticket>, event: &RawEvent<'_>) {
        let paused = self.paused();
        let void = || ticket.into_iter().for_each(|ticket| self.void(ticket));
        if paused && matches!(event, RawEvent::Wrote { .. } | RawEvent::Taken { .. } | RawEvent::Read { .. }) {
            return void();
        }
        let kept = |bytes| Load::Bytes(self.kept(bytes));
        let small = |count: usize| count.min(u32::MAX as usize) as u32;
        match *event {
            RawEvent::Wrote { end, bytes, of } => {
                let raw = Raw::Wrote { end, count: small(bytes.len()), of: small(of) };
                self.file(ticket, raw, kept(bytes), false);
            }
            RawEvent::Read { end, bytes } => {
                self.file(ticket, Raw::Read { end, count: small(bytes.len()) }, kept(bytes), false);
            }
            RawEvent::Taken { end, count, of } => {
                self.file(ticket, Raw::Taken { end, count: small(count), of: small(of) }, kept(&[]), false);
            }
            RawEvent::Opened { conn, src, dst } => {
                let opened = Rare::Opened { conn, src: *src, dst: *dst };
                self.file(ticket, Raw::Rare, Load::Rare(&opened), paused);
            }
            RawEvent::Core(event, end) => {
                match Self::raw(event, end) {
                    Some((raw, rare, always)) if always || !paused => {
                        self.file(ticket, raw, rare.as_ref().map_or(kept(&[]), Load::Rare), paused);
                    }
                    _ => void(),
                }
                self.release_closed(event, end);
            }
        }
    }
}

/// Records each event of a network.
impl Layer for Trace {
    type Engine<E: Engine + 'static> = Traced<E, Self>;

    fn wrap<E: Engine + 'static>(self, inner: E) -> Traced<E, Self> {
        Traced::new(inner, self.for_network())
    }
}

/// Each method may be called under any lock of a network but [`record`](Observer::record) and what records.
impl Observer for Trace {
    fn ticket(&self) -> Ticket {
        self.shared.shards.draw(actor::thread())
    }

    fn void(&self, ticket: Ticket) {
        self.shared.shards.void(ticket);
        // The ticket may have kept events from being seen.
        self.after(0);
    }

    fn record(&self, ticket: Ticket, event: &RawEvent<'_>) {
        self.observe(Some(ticket), event);
    }

    fn now(&self, event: &RawEvent<'_>) {
        self.observe(None, event);
    }

    fn attach(&self, name: &str, picture: Picture) {
        self.shared.log.with(|log| log.name_network(self.network(), NetworkName::of(name, "").0));
        self.shared.pictures.with(|pictures| pictures.push(picture));
    }

    #[cfg(feature = "sim")]
    fn clock(&self, clock: &Clock) {
        self.shared.network_clock.set(clock);
    }

    fn paused(&self) -> bool {
        self.shared.paused.load(Ordering::Relaxed)
    }

    #[inline]
    fn holds(&self) -> bool {
        self.holding().is_up()
    }

    fn poll_pass(&self, cx: &mut Context<'_>, intent: &Intent<'_>, end: Option<u32>) -> Poll<()> {
        self.poll_held(cx, intent, end)
    }

    fn cancel_pass(&self, gone: &Gone<'_>, end: Option<u32>) {
        self.leave_gate(gone, end);
    }

    #[cfg(feature = "std")]
    fn hold_thread(&self, event: &CoreEvent<'_>, end: Option<u32>) {
        self.hold(event, end);
    }
}
