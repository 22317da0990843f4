//! One dial, from its source port to its connection.
//!
//! 1. At the first poll, [`DialState::start`] takes a socket with the lowest free port and then parses the address: so
//!    an error names the port that the dial had. With shared ports, it exchanges the port if the pair already exists.
//! 2. [`connect`] runs as an inner future: the registry says where the host is, the engine connects, and
//!    [`complete_dial`] turns the socket into a connection in one lock step, unless its host was closed meanwhile.
//!    If the registry has no host of that name, which may be an IP address, the inner future starts once more with the
//!    host that it means; see [`DialState::start_as_meant`].
//! 3. At each later poll, the own host may have been closed: [`DialState::poll_closed`] registers the task to be woken
//!    then.
//!
//! However the dial ends before its connection exists, the inner future is dropped before the port is given back: the
//! request leaves its listener first, so no listener sees a request whose port another dial already has.
//!
//! [`Dial`] is generic over the address, [`Dialling`] is not, so it is compiled once for each network. Its `C` is
//! always [`connect`]: only its type can name the future that an `async` block makes.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use crate::addr::Addr;
use crate::addr::name::ErrorText;
use crate::addr::to_addr::ToAddr;
use crate::contract::engine::Engine;
use crate::contract::observe::{CoreEvent, Ticket};
use crate::contract::registry::Registry;
use crate::error::Error;
use crate::error::cause::Cause;
use crate::error::registry::RegistryReason;
use crate::net::conn::Conn;
use crate::net::host::Host;
use crate::net::net_ref::{LinkOf, NetRef};
use crate::net::notifier::DialNotifier;
use crate::net::socket_ref::SocketRef;
use crate::table::{Bind, Hosts, Peer, Ports, State, Tables};
use crate::wait::block::touch;
use crate::wait::waker::{Wakers, poll_locked};
use crate::wait::{OnTimeout, Op};

impl<N: NetRef> Host<N> {
    /// Connects to a listener. In a growable network, the address may be one of TCP: the [IP address](Host::ip_addr) of
    /// a host, or `0.0.0.0`, `[::]`, `127.0.0.1`, `[::1]` or `localhost` for this host. The network is first asked for
    /// a host of that name, which wins.
    ///
    /// The connection's own port is the lowest free one. Where accepted connections
    /// [share a port](crate::SubNetwork::share_port), it is the lowest one with which the peer has no connection yet.
    ///
    /// The operation takes its port when it is first polled, and is done when the peer has accepted: unlike in TCP,
    /// there is no handshake before that. So to wait for a dial and then for its accept, on one thread, takes forever;
    /// use two threads, or two futures at once, or [`Op::try_wait`].
    ///
    /// # Errors
    ///
    /// In this order: a full port table; a malformed address; `network is down`, `host is down`; errors of the
    /// registry, such as `no such host`, and of the engine, such as `connection refused` if no listener is there, or no
    /// longer, or that host is closed (`host is down` is the own one). They name both ends as far as they are known:
    /// like `dial pipet b:1->a:1: connection refused` or, if the listening host has none left, `dial pipet b:1->a:1:
    /// port table of "a" is full (65535)`, with the own one alone `dial pipet b:1: address a: missing port in address`,
    /// and `dial pipet: port table is full (4)`. An error names the host that was found by its IP address.
    ///
    /// # Cancel safety
    ///
    /// Dropping the operation withdraws the dial: its port is free, and a listener that has not accepted it never sees
    /// it.
    #[doc(alias = "connect")]
    pub fn dial<A: ToAddr>(&self, addr: A) -> Op<impl OnTimeout<Output = Result<Conn<N>, Error>> + use<N, A>> {
        touch(self.net.clock());
        Op::new(dial(self.clone(), addr)).on(self.net.clock())
    }
}

/// Dials an address from a host.
pub(crate) fn dial<N: NetRef, A: ToAddr>(
    host: Host<N>,
    addr: A,
) -> impl OnTimeout<Output = Result<Conn<N>, Error>> + use<N, A> {
    let state = DialState { host, source: None, parsed: Parsed::Not };
    Dial { addr, dialling: Dialling { connect, state, running: None } }
}

pin_project! {
    /// A dial, to an address of any type.
    struct Dial<N: NetRef, A: ToAddr, C, F: Future> {
        addr: A,
        #[pin]
        dialling: Dialling<N, C, F>,
    }

    impl<N: NetRef, A: ToAddr, C, F: Future> PinnedDrop for Dial<N, A, C, F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.dialling.state.tell_withdrawn(this.addr);
        }
    }
}

pin_project! {
    /// What is the same in all dials: takes a port, asks registry and engine, and makes the connection.
    struct Dialling<N: NetRef, C, F: Future> {
        connect: C,
        state: DialState<N>,
        #[pin]
        running: Option<F>,
    }

    impl<N: NetRef, C, F: Future> PinnedDrop for Dialling<N, C, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // The request leaves its listener before the port is free again.
            this.running.set(None);
            this.state.give_back(false);
        }
    }
}

pub(super) struct DialState<N: NetRef> {
    /// Slot and port of the source, from the first poll until it is a connection or the dial has failed.
    pub(super) source: Option<(u32, u16)>,
    pub(super) parsed: Parsed,
    pub(super) host: Host<N>,
}

/// How the address was understood. It is parsed again when it is needed: it would be most of what a dial has to keep.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Parsed {
    /// It is not parsed yet, or malformed.
    Not,
    /// It names a host.
    Name,
    /// No host bears its name: it means the host that has this IP address.
    Meaning,
}

/// What is done with a source port: the registry tells where the host is, the engine connects, and the source becomes a
/// connection.
#[allow(clippy::manual_async_fn, reason = "an `async fn` would keep its arguments twice")]
fn connect<N: NetRef>(
    host: Host<N>,
    (slot, port): (u32, u16),
    dst: Addr,
) -> impl Future<Output = Result<Conn<N>, Cause>> + Send + use<N> {
    async move {
        let net = &host.net;
        let data = net.registry().query(&dst.host).await?;
        let src = host.addr(port);
        let (link, peer) = net.engine.dial(&src, &dst, data, &DialNotifier(&host)).await?;
        if let Err(cause) = complete_dial(&host, slot, &link, &dst, &peer) {
            net.discard(&link, host.ending());
            return Err(cause);
        }
        Ok(Conn::new(SocketRef::new(host, slot), link))
    }
}

/// Makes the source a connection.
fn complete_dial<N: NetRef>(host: &Host<N>, slot: u32, link: &LinkOf<N>, dst: &Addr, peer: &Addr) -> Result<(), Cause> {
    if peer.host != dst.host || peer.port == 0 {
        return Err(wrong_peer(peer));
    }
    let Host { net, host } = host;
    let mut ticket = Ticket::NONE;
    let dialling = net.tables.ports(host, |ports| {
        if !ports.is_open() {
            return Err(Cause::HostDown);
        }
        let peer = Peer { host: net.tables.intern_within(ports, &peer.host)?, port: peer.port };
        let socket = ports.socket(slot).ok_or(Cause::SocketDown)?;
        socket.peer = peer;
        ticket = net.engine.ticket();
        Ok(core::mem::replace(&mut socket.state, State::Connected(link.clone())))
    })?;
    net.tell(ticket, Some(link), &CoreEvent::Connected { dialled: dst, peer });
    dialling.discard();
    Ok(())
}

/// The engine connected to a host that was not meant.
#[cold]
fn wrong_peer(peer: &Addr) -> Cause {
    Cause::Backend(ErrorText::of(["engine connected to ", peer.text().as_str(), " instead"]))
}

/// Whether the registry has no host of the name that was dialled.
pub(super) fn is_unknown(cause: &Cause) -> bool {
    matches!(cause, Cause::Registry(error) if error.reason() == RegistryReason::NoSuchHost)
}

impl<N, A, C, F> Future for Dial<N, A, C, F>
where
    N: NetRef,
    A: ToAddr,
    C: Fn(Host<N>, (u32, u16), Addr) -> F,
    F: Future<Output = Result<Conn<N>, Cause>>,
{
    type Output = Result<Conn<N>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.dialling.poll(this.addr, cx)
    }
}

impl<N, A, C, F> OnTimeout for Dial<N, A, C, F>
where
    N: NetRef,
    A: ToAddr,
    C: Fn(Host<N>, (u32, u16), Addr) -> F,
    F: Future<Output = Result<Conn<N>, Cause>>,
{
    fn expire(self: Pin<&mut Self>, _: &Waker) -> Self::Output {
        let this = self.project();
        Err(this.dialling.expire(this.addr))
    }
}

impl<N, C, F> Dialling<N, C, F>
where
    N: NetRef,
    C: Fn(Host<N>, (u32, u16), Addr) -> F,
    F: Future<Output = Result<Conn<N>, Cause>>,
{
    fn poll(mut self: Pin<&mut Self>, addr: &dyn ToAddr, cx: &mut Context<'_>) -> Poll<Result<Conn<N>, Error>> {
        let mut this = self.as_mut().project();
        let state = this.state;
        let starts = this.running.is_none();
        if starts {
            if state.host.net.engine.holds() && state.is_held(addr, cx) {
                return Poll::Pending;
            }
            match state.start(addr, cx.waker()) {
                Ok((source, dst)) => this.running.set(Some((this.connect)(state.host.clone(), source, dst))),
                Err(cause) => return Poll::Ready(Err(state.fail(addr, cause))),
            }
        }
        let Some(running) = this.running.as_mut().as_pin_mut() else { return Poll::Pending };
        let cause = match running.poll(cx) {
            Poll::Ready(Ok(conn)) => {
                state.source = None;
                this.running.set(None);
                state.leave_gate();
                return Poll::Ready(Ok(conn));
            }
            // The network that is down is the peer's, unless it turns out to be the own one.
            Poll::Ready(Err(Cause::NetworkDown)) => Cause::ConnectionRefused,
            Poll::Ready(Err(cause)) => cause,
            // A close of the host wakes the task from now on.
            Poll::Pending if starts => {
                state.leave_gate();
                return Poll::Pending;
            }
            Poll::Pending => match state.poll_closed(cx) {
                Poll::Ready(()) => {
                    let error = state.give_up(addr, Cause::SocketDown);
                    this.running.set(None);
                    state.give_back(false);
                    return Poll::Ready(Err(error));
                }
                Poll::Pending => return Poll::Pending,
            },
        };
        this.running.set(None);
        if N::Tables::GROWS && is_unknown(&cause) {
            return self.poll_as_meant(addr, cause, cx);
        }
        Poll::Ready(Err(state.fail(addr, cause)))
    }

    /// No host bears the name. Dials once more if it means one.
    #[cold]
    fn poll_as_meant(
        mut self: Pin<&mut Self>,
        addr: &dyn ToAddr,
        cause: Cause,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Conn<N>, Error>> {
        let mut this = self.as_mut().project();
        match this.state.start_as_meant(addr, cause) {
            Ok((source, dst)) => this.running.set(Some((this.connect)(this.state.host.clone(), source, dst))),
            Err(cause) => return Poll::Ready(Err(this.state.fail(addr, cause))),
        }
        self.poll(addr, cx)
    }

    fn expire(self: Pin<&mut Self>, addr: &dyn ToAddr) -> Error {
        let mut this = self.project();
        this.state.leave_gate();
        let error = this.state.give_up(addr, Cause::TimedOut);
        this.running.set(None);
        this.state.give_back(false);
        error
    }
}

impl<N: NetRef> DialState<N> {
    /// Takes the source port, to be told when the host closes, and looks at the address: from which port, where to.
    fn start(&mut self, addr: &dyn ToAddr, waker: &Waker) -> Result<((u32, u16), Addr), Cause> {
        let Host { net, host } = &self.host;
        let waiting = State::Dialling(Wakers::of(waker));
        // A malformed address is reported by the failure alone. Parsing may be foreign code, so it does not run while a
        // ticket is out.
        let early = if N::Engine::OBSERVED { addr.to_addr().ok() } else { None };
        let mut ticket = None;
        let (source, is_open) = net.tables.ports(host, |ports| {
            let slot = ports.insert(Bind::Lowest, waiting)?;
            let port = ports.socket(slot).map_or(0, |socket| socket.port);
            if early.is_some() && ports.is_open() {
                ticket = Some(net.engine.ticket());
            }
            Ok::<_, Cause>(((slot, port), ports.is_open()))
        })?;
        self.source = Some(source);
        let target = match early {
            Some(target) => target,
            None => addr.to_addr()?,
        };
        let target = self.host.on_net(target);
        self.parsed = Parsed::Name;
        let source = if net.options.share_port {
            self.exchange(source, &target, ticket)?
        } else {
            self.tell_dialled(ticket, source, &target);
            source
        };
        if is_open {
            return Ok((source, target));
        }
        // The registry is not asked for the name.
        if N::Tables::GROWS && self.host.known_as(target).host != target.host {
            self.parsed = Parsed::Meaning;
        }
        Err(Cause::HostDown)
    }

    /// Where to dial once more, and from which port, if no host bears the name that was dialled and it means one.
    #[cold]
    fn start_as_meant(&mut self, addr: &dyn ToAddr, cause: Cause) -> Result<((u32, u16), Addr), Cause> {
        let (Some(source), Parsed::Name) = (self.source, self.parsed) else { return Err(cause) };
        let asked = self.target(addr).ok_or(cause)?;
        let target = self.host.meant(&asked).ok_or(cause)?;
        self.parsed = Parsed::Meaning;
        let source = if self.host.net.options.share_port { self.exchange(source, &target, None)? } else { source };
        Ok((source, target))
    }

    /// The address that is dialled, if it is known.
    pub(super) fn target(&self, addr: &dyn ToAddr) -> Option<Addr> {
        let asked = if self.parsed == Parsed::Not { None } else { addr.to_addr().ok() }?;
        let asked = self.host.on_net(asked);
        if N::Tables::GROWS && self.parsed == Parsed::Meaning { self.host.meant(&asked) } else { Some(asked) }
    }

    /// Exchanges the source port, if the host that is dialled has that pair already and shares its ports.
    #[cold]
    #[inline(never)]
    fn exchange(
        &mut self,
        (slot, port): (u32, u16),
        target: &Addr,
        ticket: Option<Ticket>,
    ) -> Result<(u32, u16), Cause> {
        if N::Engine::OBSERVED && N::Tables::GROWS && self.parsed == Parsed::Meaning {
            return self.exchange_again((slot, port), target);
        }
        let Host { net, host } = &self.host;
        let there = net.tables.hosts(|hosts| hosts.find(target.host.as_bytes()).and_then(|id| hosts.host(id)));
        let Some(there) = there else {
            self.tell_dialled(ticket, (slot, port), target);
            return Ok((slot, port));
        };
        let mut second = None;
        let taken = || second = ticket.map(|_| net.engine.ticket());
        let exchanged = net.tables.exchange_port(host, (slot, port), &there, target.port, taken);
        let source = (slot, *exchanged.as_ref().unwrap_or(&port));
        if let (Some(unused), Some(_)) = (ticket, second) {
            net.tell(unused, None, &CoreEvent::Void);
        }
        self.tell_dialled(second.or(ticket), source, target);
        exchanged?;
        self.source = Some(source);
        Ok(source)
    }

    /// Ready when the own host is closed.
    fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let slot = self.source.map_or(0, |(slot, _)| slot);
        poll_locked(cx.waker(), |registration| {
            self.host.net.tables.ports(&self.host.host, |ports| {
                if !ports.is_open() {
                    return Poll::Ready(());
                }
                if let Some(State::Dialling(wakers)) = ports.socket(slot).map(|socket| &mut socket.state) {
                    registration.register(wakers);
                }
                Poll::Pending
            })
        })
    }

    /// Gives the port back, if it is still held. If that is to be reported, draws a ticket in the same step.
    pub(super) fn give_back(&mut self, reported: bool) -> Option<Ticket> {
        let (slot, _) = self.source.take()?;
        let Host { net, host } = &self.host;
        let mut ticket = None;
        let gone = net.tables.ports(host, |ports| {
            if reported {
                ticket = Some(net.engine.ticket());
            }
            ports.remove(slot)
        });
        gone.into_iter().for_each(State::discard);
        net.check_idle(host);
        ticket
    }
}
