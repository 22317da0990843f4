//! A connection that a backend hands over, while it waits for a listener.

use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll};

use crate::addr::{Addr, AddrError, AddrReason};
use crate::cause::{Cause, Table};
use crate::engine::{Engine, Shutdown};
use crate::handle::{Handle, HostOf, LinkOf};
use crate::host::Host;
use crate::notifier::Accept;
use crate::place::Place;
use crate::table::{Directory, Peer, Phase, Ports, State, Tables, acknowledge, drop_request, enqueue};
use crate::waker::{Wakers, poll_step};

/// A request in the queue of a listener. Dropping it withdraws the request.
pub(crate) struct Pending<N: Handle>(Place<N>);

impl<N: Handle> Pending<N> {
    /// Lets a connection from `src` wait at the listener at `dst`.
    pub(crate) fn enqueue(net: N, src: &Addr, dst: &Addr, link: LinkOf<N>, phase: Phase) -> Result<Self, Cause> {
        let queued = Self::find(&net, src, dst).and_then(|(host, peer)| {
            let (slot, acceptors) = net
                .tables
                .ports(&host, |ports| enqueue(ports, dst.port, net.options.backlog, peer, link.clone(), phase))?;
            acceptors.wake();
            Ok((host, slot))
        });
        match queued {
            Ok((host, slot)) => Ok(Self(Place::new(Host::new(net, host), slot))),
            Err(cause) => {
                net.engine.shutdown(&link, Shutdown::Close);
                net.engine.release(&link);
                Err(cause)
            }
        }
    }

    /// The host that is meant, and the number of the one where the connection comes from.
    fn find(net: &N, src: &Addr, dst: &Addr) -> Result<(HostOf<N>, Peer), Cause> {
        net.tables.directory(|directory| {
            if directory.network().down {
                return Err(Cause::NetworkDown);
            }
            let host = directory.find(dst.host.as_bytes()).and_then(|id| directory.host(id));
            let unknown = || Cause::Addr(AddrError { input: dst.text(), reason: AddrReason::NoSuchHost });
            let host = host.ok_or_else(unknown)?;
            Ok((host, Peer { host: directory.intern(&src.host)?, port: src.port }))
        })
    }

    /// Waits until a listener has claimed the connection.
    pub(crate) async fn claimed(self) -> Result<Self, Cause> {
        poll_fn(|cx| self.poll(cx)).await.map(|_| self)
    }

    /// The accepted connection's port, once a listener has taken the request.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<u16, Cause>> {
        poll_step(cx.waker(), |seat| {
            self.0.ports(|ports| {
                let Some(socket) = ports.socket(self.0.slot()) else {
                    return Poll::Ready(Err(Cause::ConnectionRefused));
                };
                let port = socket.port;
                let State::Request(request) = &mut socket.state else { return Poll::Ready(Ok(port)) };
                match request.phase {
                    Phase::Claimed | Phase::Ready => Poll::Ready(Ok(port)),
                    Phase::Refused => Poll::Ready(Err(Cause::ConnectionRefused)),
                    Phase::NoPort => Poll::Ready(Err(Cause::Full(Table::Ports, ports.capacity()))),
                    Phase::Queued | Phase::Direct => {
                        seat.take(&mut request.backend);
                        Poll::Pending
                    }
                }
            })
        })
    }
}

/// Waits until a listener has the connection; gives its address. An `async` block would be twice as large.
pub(crate) struct Connecting<N: Handle>(pub(crate) Result<Pending<N>, Cause>);

impl<N: Handle> Future for Connecting<N> {
    type Output = Result<Addr, Cause>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &self.0 {
            Ok(pending) => pending.poll(cx).map_ok(|port| pending.0.addr(port)),
            Err(cause) => Poll::Ready(Err(*cause)),
        }
    }
}

impl<N: Handle> Drop for Pending<N> {
    fn drop(&mut self) {
        let (gone, acceptors) = self.0.ports(|ports| drop_request(ports, self.0.slot()));
        acceptors.wake();
        gone.into_iter().for_each(|socket| self.0.net.scrap(socket));
    }
}

/// A connection that a listener has claimed, until the backend [acknowledges](Accept::acknowledge) it.
pub struct Incoming<N: Handle>(Pending<N>);

impl<N: Handle> Incoming<N> {
    pub(crate) fn new(claimed: Pending<N>) -> Self {
        Self(claimed)
    }
}

impl<N: Handle> Accept for Incoming<N> {
    fn local_addr(&self) -> Addr {
        self.0.0.local_addr()
    }

    fn acknowledge(self) -> Result<(), Cause> {
        let place = &self.0.0;
        // Dropping what is acknowledged takes nothing back.
        place.ports(|ports| acknowledge(ports, place.slot()))?.wake();
        Ok(())
    }

    fn refuse(self) {}
}

impl<N: Handle> fmt::Debug for Incoming<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Incoming({})", self.local_addr())
    }
}
