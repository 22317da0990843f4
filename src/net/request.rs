//! A request: a connection that a backend hands over, from its arrival in a listener's queue until it is accepted.
//!
//! # Phases
//!
//! ```text
//! connect ──▶ Direct ──────────── accept ─────────────▶ Connected
//!
//! accept ───▶ Queued ── claim ──▶ Claimed ── acknowledge ──▶ Ready ── accept ──▶ Connected
//! ```
//!
//! `connect` and `accept` on the left are the methods of [`Notifier`](crate::Notifier); `accept` on the right is that
//! of the listener. A request in any of these phases becomes `Refused` when the listener closes, except a `Ready` one
//! whose backend is done: it is removed. A `Direct` or `Queued` request becomes `NoPort` if the host is out of ports,
//! and `Refused` if its port cannot be bound for another reason.
//!
//! Invariant: a claimed request is acknowledged or withdrawn, and a withdrawn one leaves its claim to the next request.
//! Dropping a [`QueuedRequest`] withdraws it in `Direct`, `Queued` and `Claimed`. A `Ready` request stays in the queue.
//!
//! This guards against the interleaving in which an accept claims request A and waits, request B arrives, and A's
//! backend refuses. B stays unclaimed as long as A holds the claim, and the accept sleeps. So withdrawing A wakes the
//! accepts at the listener, which poll again and claim B. Tests: the model
//! `a_refused_connection_makes_way_for_the_next` in `tests/loom/notifier.rs`, and the behaviour
//! `a_withdrawn_claim_leaves_its_accept_to_the_next_connection` of the conformance suite.

use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll};

use crate::addr::{Addr, AddrError, AddrReason};
use crate::contract::engine::Shutdown;
use crate::contract::notifier::Accept;
use crate::error::cause::Cause;
use crate::net::host::Host;
use crate::net::net_ref::{HostOf, LinkOf, NetRef};
use crate::net::socket_ref::SocketRef;
use crate::table::{Hosts, MaybeBoxed, Peer, Ports, RequestPhase, State, Tables, acknowledge, drop_request, enqueue};
use crate::wait::waker::{Wakers, poll_locked};

/// The sockets of a host in the tables behind `N`, under their lock.
type PortsOf<'a, N> = <<N as NetRef>::Tables as Tables>::Ports<'a>;

/// A request in the queue of a listener. Dropping it withdraws the request.
pub(crate) struct QueuedRequest<N: NetRef> {
    /// The request has become a connection, or was acknowledged: there is nothing to withdraw.
    settled: bool,
    place: SocketRef<N>,
}

impl<N: NetRef> QueuedRequest<N> {
    /// Queues a connection from `src` at the listener at `dst`.
    #[cfg_attr(feature = "std", inline)]
    pub(crate) fn enqueue(net: N, src: &Addr, dst: &Addr, link: LinkOf<N>, phase: RequestPhase) -> Result<Self, Cause> {
        let mut link = Some(link);
        let queued = Self::find(&net, src, dst).and_then(|(host, known)| {
            let rules = (net.options.backlog, net.options.share_port);
            // A peer's name that is new here is stored once the request has a slot, and not if it is refused.
            let peer = |ports: &mut PortsOf<'_, N>| {
                let id = known.map_or_else(|| net.tables.intern_within(ports, &src.host), Ok)?;
                Ok(Peer { host: id, port: src.port })
            };
            let (slot, acceptors) =
                net.tables.ports(&host, |ports| enqueue(ports, dst.port, rules, peer, &mut link, phase))?;
            acceptors.wake();
            Ok((host, slot))
        });
        match queued {
            Ok((host, slot)) => Ok(Self { settled: false, place: SocketRef::new(Host::new(net, host), slot) }),
            Err(cause) => {
                link.iter().for_each(|link| net.discard(link, Shutdown::CloseOrReset));
                Err(cause)
            }
        }
    }

    /// Finds the host of `dst`, and the number of the host of `src` if its name is known.
    #[cfg_attr(feature = "std", inline)]
    fn find(net: &N, src: &Addr, dst: &Addr) -> Result<(HostOf<N>, Option<u32>), Cause> {
        let (down, host, known) = net.tables.hosts(|hosts| {
            let host = hosts.find(dst.host.as_bytes()).and_then(|id| hosts.host(id));
            (hosts.closed().network, host, hosts.find(src.host.as_bytes()))
        });
        if down {
            return Err(Cause::NetworkDown);
        }
        let unknown = || Cause::Addr(AddrError { input: dst.text(), reason: AddrReason::NoSuchHost });
        Ok((host.ok_or_else(unknown)?, known))
    }

    /// Waits until a listener has claimed the request.
    pub(crate) async fn claimed(mut self) -> Result<Self, Cause> {
        poll_fn(|cx| self.poll(cx)).await.map(|_| self)
    }

    /// Polls for the port of the connection: ready once a listener has claimed or accepted the request, or it has
    /// failed.
    #[cfg_attr(feature = "std", inline)]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<u16, Cause>> {
        let (place, settled) = (&self.place, &mut self.settled);
        let mut gone = None;
        let answer = poll_locked(cx.waker(), |registration| {
            place.ports(|ports| {
                let Some(socket) = ports.socket(place.slot()) else { return Poll::Ready(RequestOutcome::Refused) };
                let port = socket.port;
                let State::Request(request) = &mut socket.state else {
                    *settled = true;
                    match socket.handles {
                        0 => gone = drop_request(ports, place.slot()).0,
                        _ => socket.awaited = false,
                    }
                    return Poll::Ready(RequestOutcome::Port(port));
                };
                let request = request.value_mut();
                match request.phase {
                    RequestPhase::Claimed | RequestPhase::Ready => Poll::Ready(RequestOutcome::Port(port)),
                    RequestPhase::Refused => Poll::Ready(RequestOutcome::Refused),
                    RequestPhase::NoPort => Poll::Ready(RequestOutcome::NoPort),
                    RequestPhase::Queued | RequestPhase::Direct => {
                        registration.register(&mut request.backend);
                        Poll::Pending
                    }
                }
            })
        });
        if let Some(left) = gone {
            place.net.scrap(left, Shutdown::CloseOrReset);
            place.net.check_idle(&place.host);
        }
        answer.map(|answer| match answer {
            RequestOutcome::Port(port) => Ok(port),
            RequestOutcome::Refused => Err(Cause::ConnectionRefused),
            RequestOutcome::NoPort => Err(place.no_port()),
        })
    }
}

/// The outcome of a request. Smaller than a `Cause`, so that no `Cause` is copied under the lock.
enum RequestOutcome {
    Port(u16),
    Refused,
    NoPort,
}

/// A future that waits until a listener has accepted the connection, and returns its address. An `async` block would be
/// twice as large.
pub(crate) struct Handover<N: NetRef>(pub(crate) Result<QueuedRequest<N>, Cause>);

impl<N: NetRef> Future for Handover<N> {
    type Output = Result<Addr, Cause>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Ok(pending) => pending.poll(cx).map_ok(|port| pending.place.addr(port)),
            Err(cause) => Poll::Ready(Err(*cause)),
        }
    }
}

impl<N: NetRef> Drop for QueuedRequest<N> {
    fn drop(&mut self) {
        if !self.settled {
            let (gone, acceptors) = self.place.ports(|ports| drop_request(ports, self.place.slot()));
            acceptors.wake();
            if let Some(left) = gone {
                self.place.net.scrap(left, Shutdown::CloseOrReset);
                self.place.net.check_idle(&self.place.host);
            }
        }
    }
}

/// A connection that a listener has claimed, until the backend [acknowledges](Accept::acknowledge) it.
pub struct ClaimedRequest<N: NetRef>(QueuedRequest<N>);

impl<N: NetRef> ClaimedRequest<N> {
    pub(crate) fn new(claimed: QueuedRequest<N>) -> Self {
        Self(claimed)
    }
}

impl<N: NetRef> Accept for ClaimedRequest<N> {
    fn local_addr(&self) -> Addr {
        self.0.place.local_addr()
    }

    fn acknowledge(mut self) -> Result<(), Cause> {
        let place = &self.0.place;
        let acceptors = place.ports(|ports| acknowledge(ports, place.slot()))?;
        // It may be accepted and dropped already when this returns.
        self.0.settled = true;
        acceptors.wake();
        Ok(())
    }

    fn refuse(self) {}
}

impl<N: NetRef> fmt::Debug for ClaimedRequest<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClaimedRequest({})", self.local_addr())
    }
}
