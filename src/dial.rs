//! One dial, from its source port to its connection.

use core::future::Future;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use crate::addr::{Addr, ToAddr};
use crate::cause::Cause;
use crate::conn::Conn;
use crate::engine::Engine;
use crate::error::{Error, Operation};
use crate::handle::{Handle, LinkOf, WakersOf};
use crate::host::Host;
use crate::name::Text;
use crate::place::Place;
use crate::registry::Registry;
use crate::table::{Bind, Directory, Peer, Ports, State, Tables};
use crate::wait::Expire;
use crate::waker::{Wakers, poll_step};

/// Dials an address from a host.
pub(crate) fn dial<N: Handle, A: ToAddr>(
    host: Host<N>,
    addr: A,
) -> impl Expire<Output = Result<Conn<N>, Error>> + use<N, A> {
    Dial { addr, dialling: Dialling { connect, source: Source::Wanted(host), parsed: false, running: None } }
}

pin_project! {
    /// A dial, to an address of any type.
    struct Dial<N: Handle, A, C, F> {
        addr: A,
        #[pin]
        dialling: Dialling<N, C, F>,
    }
}

pin_project! {
    /// What is the same in all dials: takes a port, asks registry and engine, and makes the connection.
    struct Dialling<N: Handle, C, F> {
        connect: C,
        source: Source<N>,
        // Whether the address is one. It is parsed again when it is needed: it would be most of what a dial keeps.
        parsed: bool,
        #[pin]
        running: Option<F>,
    }

    impl<N: Handle, C, F> PinnedDrop for Dialling<N, C, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // The request leaves its listener before the port is free again.
            this.running.set(None);
            this.source.give_up();
        }
    }
}

/// The own end of a dial.
enum Source<N: Handle> {
    /// Not polled yet.
    Wanted(Host<N>),
    /// A socket with this port.
    Taken(Place<N>, u16),
    /// It is a connection now, or the dial has failed.
    Gone,
}

/// What a backend does in a dial: the registry tells where the host is, the engine connects.
#[allow(clippy::manual_async_fn, reason = "an `async fn` would keep its arguments twice")]
fn connect<N: Handle>(
    net: N,
    src: Addr,
    dst: Addr,
) -> impl Future<Output = Result<(LinkOf<N>, Addr), Cause>> + Send + use<N> {
    async move {
        let data = net.registry().query(&dst.host).await?;
        let (link, peer) = net.engine.dial(&src, &dst, data, &net.notifier()).await?;
        if peer.host == dst.host && peer.port != 0 {
            return Ok((link, peer));
        }
        net.discard(&link);
        Err(Cause::Backend(Text::of(["engine connected to ", peer.text().as_str(), " instead"])))
    }
}

impl<N, A, C, F> Future for Dial<N, A, C, F>
where
    N: Handle,
    A: ToAddr,
    C: Fn(N, Addr, Addr) -> F,
    F: Future<Output = Result<(LinkOf<N>, Addr), Cause>>,
{
    type Output = Result<Conn<N>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.dialling.poll(this.addr, cx)
    }
}

impl<N, A, C, F> Expire for Dial<N, A, C, F>
where
    N: Handle,
    A: ToAddr,
    C: Fn(N, Addr, Addr) -> F,
    F: Future<Output = Result<(LinkOf<N>, Addr), Cause>>,
{
    fn expire(self: Pin<&mut Self>, _: &Waker) -> Self::Output {
        let this = self.project();
        Err(this.dialling.expire(this.addr))
    }
}

impl<N, C, F> Dialling<N, C, F>
where
    N: Handle,
    C: Fn(N, Addr, Addr) -> F,
    F: Future<Output = Result<(LinkOf<N>, Addr), Cause>>,
{
    fn poll(self: Pin<&mut Self>, addr: &dyn ToAddr, cx: &mut Context<'_>) -> Poll<Result<Conn<N>, Error>> {
        let mut this = self.project();
        let starts = this.running.is_none();
        if starts {
            match this.source.start(addr, this.parsed, cx.waker()) {
                Ok((net, src, dst)) => this.running.set(Some((this.connect)(net, src, dst))),
                Err(cause) => return Poll::Ready(Err(this.source.fail(addr, *this.parsed, cause))),
            }
        }
        let Some(running) = this.running.as_mut().as_pin_mut() else { return Poll::Pending };
        let outcome = match running.poll(cx) {
            Poll::Ready(Ok((link, peer))) => this.source.finish(link, &peer),
            // The network that is down is the peer's, unless it turns out to be the own one.
            Poll::Ready(Err(Cause::NetworkDown)) => Err(Cause::ConnectionRefused),
            Poll::Ready(Err(cause)) => Err(cause),
            Poll::Pending if starts => return Poll::Pending,
            Poll::Pending => match this.source.poll_closed(cx) {
                Poll::Ready(()) => Err(Cause::SocketDown),
                Poll::Pending => return Poll::Pending,
            },
        };
        this.running.set(None);
        Poll::Ready(outcome.map_err(|cause| this.source.fail(addr, *this.parsed, cause)))
    }

    fn expire(self: Pin<&mut Self>, addr: &dyn ToAddr) -> Error {
        let mut this = self.project();
        this.running.set(None);
        this.source.fail(addr, *this.parsed, Cause::TimedOut)
    }
}

impl<N: Handle> Source<N> {
    /// Takes a port, to be told when the host closes, and looks at the address: on which network, from where, where to.
    fn start(&mut self, addr: &dyn ToAddr, parsed: &mut bool, waker: &Waker) -> Result<(N, Addr, Addr), Cause> {
        let Self::Wanted(host) = self else { return Err(Cause::SocketDown) };
        let waiting = State::Dialling(WakersOf::<N>::of(waker));
        let (slot, port, is_open) = host.net.tables.ports(&host.host, |ports| {
            let slot = ports.insert(Bind::Lowest, waiting)?;
            Ok::<_, Cause>((slot, ports.socket(slot).map_or(0, |socket| socket.port), ports.is_open()))
        })?;
        let Self::Wanted(host) = mem::replace(self, Self::Gone) else { return Err(Cause::SocketDown) };
        let (net, src) = (host.net.clone(), host.addr(port));
        let dst = addr.to_addr();
        let dst = dst.map(|dst| host.on_net(dst));
        *self = Self::Taken(Place::new(host, slot), port);
        let dst = dst?;
        *parsed = true;
        match is_open {
            true => Ok((net, src, dst)),
            false => Err(Cause::HostDown),
        }
    }

    /// Ready when the own host is closed.
    fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Self::Taken(place, _) = self else { return Poll::Ready(()) };
        poll_step(cx.waker(), |seat| {
            place.ports(|ports| {
                if !ports.is_open() {
                    return Poll::Ready(());
                }
                if let Some(State::Dialling(wakers)) = ports.socket(place.slot()).map(|socket| &mut socket.state) {
                    seat.take(wakers);
                }
                Poll::Pending
            })
        })
    }

    /// Makes the source a connection.
    fn finish(&mut self, link: LinkOf<N>, peer: &Addr) -> Result<Conn<N>, Cause> {
        let Self::Taken(place, _) = self else { return Err(Cause::SocketDown) };
        let connected = place.net.tables.directory(|directory| directory.intern(&peer.host)).and_then(|host| {
            place.ports(|ports| {
                if !ports.is_open() {
                    return Err(Cause::HostDown);
                }
                let socket = ports.socket(place.slot()).ok_or(Cause::SocketDown)?;
                socket.peer = Peer { host, port: peer.port };
                Ok(mem::replace(&mut socket.state, State::Connected(link.clone())))
            })
        });
        match connected.map(drop) {
            Ok(()) => match mem::replace(self, Self::Gone) {
                Self::Taken(place, _) => Ok(Conn::new(place, link)),
                _ => Err(Cause::SocketDown),
            },
            Err(cause) => {
                place.net.discard(&link);
                Err(cause)
            }
        }
    }

    /// The error of this dial, which gives its port back.
    #[cold]
    fn fail(&mut self, addr: &dyn ToAddr, parsed: bool, cause: Cause) -> Error {
        let (host, taken) = match mem::replace(self, Self::Gone) {
            Self::Wanted(host) => (host, None),
            Self::Taken(place, port) => (place.host(), Some((place, port))),
            Self::Gone => return Error::new(Operation::Dial, "", None, None, cause),
        };
        let target = if parsed { addr.to_addr().ok() } else { None };
        let target = target.map(|target| host.on_net(target));
        let early = taken.is_none() || target.is_none();
        let cause = if early { cause } else { host.net.outermost(&host.host, cause) };
        let source = taken.map(|(place, port)| {
            drop(place.ports(|ports| ports.remove(place.slot())));
            place.addr(port)
        });
        Error::new(Operation::Dial, host.network(), source, target, cause)
    }

    /// Gives the port back, if it is still held.
    fn give_up(&mut self) {
        if let Self::Taken(place, _) = mem::replace(self, Self::Gone) {
            drop(place.ports(|ports| ports.remove(place.slot())));
        }
    }
}
