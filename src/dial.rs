//! One dial, from its source port to its connection.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use crate::addr::{Addr, ToAddr};
use crate::cause::Cause;
use crate::conn::Conn;
use crate::engine::{Engine, Shutdown};
use crate::error::{Error, Operation};
use crate::handle::{Handle, LinkOf, WakersOf};
use crate::host::Host;
use crate::name::Text;
use crate::notify::SubNetworkNotifier;
use crate::place::Place;
use crate::registry::Registry;
use crate::table::{Bind, Directory, Peer, Ports, State, Tables};
use crate::wait::Expire;
use crate::waker::poll_step;

/// Dials an address from a host.
pub(crate) fn dial<N: Handle, A: ToAddr>(
    host: Host<N>,
    addr: A,
) -> impl Expire<Output = Result<Conn<N>, Error>> + use<N, A> {
    let state = DialState { host, source: None, parsed: false };
    Dial { addr, dialling: Dialling { connect, state, running: None } }
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
        state: DialState<N>,
        #[pin]
        running: Option<F>,
    }

    impl<N: Handle, C, F> PinnedDrop for Dialling<N, C, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // The request leaves its listener before the port is free again.
            this.running.set(None);
            this.state.give_up();
        }
    }
}

struct DialState<N: Handle> {
    host: Host<N>,
    /// Slot and port of the source, from the first poll until it is a connection or the dial has failed.
    source: Option<(u32, u16)>,
    /// Whether the address is one. It is parsed again when it is needed: it would be most of what a dial has to keep.
    parsed: bool,
}

/// What a backend does in a dial: the registry tells where the host is, the engine connects.
#[allow(clippy::manual_async_fn, reason = "an `async fn` would keep its arguments twice")]
fn connect<N: Handle>(
    host: Host<N>,
    port: u16,
    dst: Addr,
) -> impl Future<Output = Result<(LinkOf<N>, Addr), Cause>> + Send + use<N> {
    async move {
        let net = &host.net;
        let data = net.registry().query(&dst.host).await?;
        let src = host.addr(port);
        net.engine.dial(&src, &dst, data, &SubNetworkNotifier(net.clone())).await
    }
}

impl<N, A, C, F> Future for Dial<N, A, C, F>
where
    N: Handle,
    A: ToAddr,
    C: Fn(Host<N>, u16, Addr) -> F,
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
    C: Fn(Host<N>, u16, Addr) -> F,
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
    C: Fn(Host<N>, u16, Addr) -> F,
    F: Future<Output = Result<(LinkOf<N>, Addr), Cause>>,
{
    fn poll(self: Pin<&mut Self>, addr: &dyn ToAddr, cx: &mut Context<'_>) -> Poll<Result<Conn<N>, Error>> {
        let mut this = self.project();
        let state = this.state;
        if this.running.is_none() {
            match state.start(addr) {
                Ok((port, dst)) => this.running.set(Some((this.connect)(state.host.clone(), port, dst))),
                Err(cause) => return Poll::Ready(Err(state.fail(addr, cause))),
            }
        }
        let Some(running) = this.running.as_mut().as_pin_mut() else { return Poll::Pending };
        let outcome = match running.poll(cx) {
            Poll::Ready(Ok((link, peer))) => state.finish(addr, link, peer),
            // The network that is down is the peer's, unless it turns out to be the own one.
            Poll::Ready(Err(Cause::NetworkDown)) => Err(Cause::ConnectionRefused),
            Poll::Ready(Err(cause)) => Err(cause),
            Poll::Pending => match state.poll_closed(cx) {
                Poll::Ready(()) => Err(Cause::SocketDown),
                Poll::Pending => return Poll::Pending,
            },
        };
        this.running.set(None);
        Poll::Ready(outcome.map_err(|cause| state.fail(addr, cause)))
    }

    fn expire(self: Pin<&mut Self>, addr: &dyn ToAddr) -> Error {
        let mut this = self.project();
        this.running.set(None);
        this.state.fail(addr, Cause::TimedOut)
    }
}

impl<N: Handle> DialState<N> {
    /// Takes the source port and looks at the address: from which port, where to.
    fn start(&mut self, addr: &dyn ToAddr) -> Result<(u16, Addr), Cause> {
        let Host { net, host } = &self.host;
        let (slot, port, is_open) = net.tables.ports(host, |ports| {
            let slot = ports.insert(Bind::Lowest, State::Dialling(WakersOf::<N>::default()))?;
            Ok::<_, Cause>((slot, ports.socket(slot).map_or(0, |socket| socket.port), ports.is_open()))
        })?;
        self.source = Some((slot, port));
        let target = self.host.on_net(addr.to_addr()?);
        self.parsed = true;
        match is_open {
            true => Ok((port, target)),
            false => Err(Cause::HostDown),
        }
    }

    /// Ready when the own host is closed.
    fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let slot = self.source.map_or(0, |(slot, _)| slot);
        poll_step(cx.waker(), |seat| {
            self.host.net.tables.ports(&self.host.host, |ports| {
                if !ports.is_open() {
                    return Poll::Ready(());
                }
                if let Some(State::Dialling(wakers)) = ports.socket(slot).map(|socket| &mut socket.state) {
                    seat.take(wakers);
                }
                Poll::Pending
            })
        })
    }

    /// Makes the source a connection.
    fn finish(&mut self, addr: &dyn ToAddr, link: LinkOf<N>, peer: Addr) -> Result<Conn<N>, Cause> {
        let Host { net, host } = &self.host;
        let connected = self.check_peer(addr, &peer).and_then(|()| {
            let peer = Peer { host: net.tables.directory(|directory| directory.intern(&peer.host))?, port: peer.port };
            let slot = self.source.map_or(0, |(slot, _)| slot);
            let before = net.tables.ports(host, |ports| {
                if !ports.is_open() {
                    return Err(Cause::HostDown);
                }
                let socket = ports.socket(slot).ok_or(Cause::SocketDown)?;
                socket.peer = peer;
                Ok(core::mem::replace(&mut socket.state, State::Connected(link.clone())))
            })?;
            drop(before);
            Ok(slot)
        });
        match connected {
            Ok(slot) => {
                self.source = None;
                Ok(Conn::new(Place::new(self.host.clone(), slot), link))
            }
            Err(cause) => {
                net.engine.shutdown(&link, Shutdown::Close);
                net.engine.release(&link);
                Err(cause)
            }
        }
    }

    /// What is dialled, once it is parsed.
    fn target(&self, addr: &dyn ToAddr) -> Option<Addr> {
        let addr = if self.parsed { addr.to_addr().ok() } else { None };
        addr.map(|addr| self.host.on_net(addr))
    }

    /// Whether the engine connected to the host that was meant.
    fn check_peer(&self, addr: &dyn ToAddr, peer: &Addr) -> Result<(), Cause> {
        match self.target(addr) {
            Some(target) if target.host == peer.host && peer.port != 0 => Ok(()),
            _ => Err(Cause::Backend(Text::of(["engine connected to ", peer.text().as_str(), " instead"]))),
        }
    }

    /// The error of this dial, which gives its port back.
    fn fail(&mut self, addr: &dyn ToAddr, cause: Cause) -> Error {
        let Host { net, host } = &self.host;
        let source = self.source.map(|(_, port)| self.host.addr(port));
        let target = self.target(addr);
        let early = source.is_none() || target.is_none();
        let cause = if early { cause } else { net.outermost(host, cause) };
        self.give_up();
        Error::new(Operation::Dial, self.host.network(), source, target, cause)
    }

    /// Gives the port back, if it is still held.
    fn give_up(&mut self) {
        if let Some((slot, _)) = self.source.take() {
            let gone = self.host.net.tables.ports(&self.host.host, |ports| ports.remove(slot));
            drop(gone);
        }
    }
}
