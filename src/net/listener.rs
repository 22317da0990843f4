//! Listeners: listen, accept, close.

use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};

use crate::addr::Addr;
use crate::addr::to_addr::{ToAddr, to_listen_addr};
use crate::contract::engine::{Engine, Shutdown};
use crate::contract::observe::{CoreEvent, Gone, Intent, Ticket};
use crate::error::cause::Cause;
use crate::error::{Error, Operation};
use crate::net::conn::Conn;
use crate::net::host::Host;
use crate::net::net_ref::NetRef;
use crate::net::socket_ref::SocketRef;
use crate::table::{Bind, Delivery, MaybeBoxed, Ports, Queue, State, Tables, failed_link, next_delivery, queue};
use crate::wait::block::touch;
use crate::wait::waker::{Wakers, discard, noop_waker, poll_locked};
use crate::wait::{OnTimeout, Op, Registered};

/// A port of a host that accepts connections. Mostly used as [`pipenet::Listener`](crate::pipenet::Listener). Dropping
/// it closes it.
///
/// Dials wait in a queue of bounded length and are accepted in the order in which they arrived. An accepted connection
/// takes the lowest free port of the host. In a network with shared ports it keeps the listener's port, and then no two
/// connections of the listener have the same peer.
///
/// Several tasks or threads may accept at once; each connection is returned to one of them.
pub struct Listener<N: NetRef> {
    pub(crate) place: SocketRef<N>,
}

impl<N: NetRef> Host<N> {
    /// Listens at a port of this host. An empty address or port 0 asks for the lowest free port. Never blocks.
    ///
    /// In a growable network, the address may be one of TCP: the [IP address](Host::ip_addr) of this host, or
    /// `0.0.0.0`, `[::]`, `127.0.0.1`, `[::1]` or `localhost`. Names of the subnetwork's own hosts win over these.
    ///
    /// # Errors
    ///
    /// In this order: a malformed address; `cannot listen on requested address` if it names another host; `network is
    /// down`, `host is down`; `address already in use`; a full port table. Like
    /// `listen pipet a:5: address already in use`. An error names hosts, also where it was asked for an IP address of
    /// one.
    #[doc(alias = "bind")]
    pub fn listen<A: ToAddr>(&self, addr: A) -> Result<Listener<N>, Error> {
        touch(self.net.clock());
        let failed = |addr, cause| Error::new(Operation::Listen, self.net.network_name(), None, addr, cause);
        let asked = to_listen_addr(&addr).map_err(|error| {
            let error = failed(None, error.into());
            self.net.tell(self.net.engine.ticket(), None, &CoreEvent::Failed(&error));
            error
        })?;
        let own = asked.host.is_empty();
        let mut asked = self.on_net(asked);
        if N::Tables::GROWS && !own && asked.host != self.name() {
            asked = self.known_as(asked);
        }
        let check = || if own || asked.host == self.name() { self.check_up() } else { Err(Cause::AddrNotAvailable) };
        let mut ticket = None;
        let listen = |ports: &mut <N::Tables as Tables>::Ports<'_>| {
            ticket = Some(self.net.engine.ticket());
            if !ports.is_open() {
                return Err(Cause::HostDown);
            }
            let bind = if asked.port == 0 { Bind::Lowest } else { Bind::Exact(asked.port) };
            ports.insert(bind, State::Listener(Queue::new().into()))
        };
        let slot = check().and_then(|()| {
            if self.net.engine.holds() {
                self.net.engine.hold_thread(&CoreEvent::Listened { addr: &asked }, None);
            }
            self.net.tables.ports(&self.host, listen)
        });
        let ticket = || ticket.unwrap_or_else(|| self.net.engine.ticket());
        let slot = slot.map_err(|cause| {
            let error = match cause {
                Cause::AddrNotAvailable if N::Tables::GROWS => {
                    self.net.hint_at_case(failed(Some(asked), cause), &asked)
                }
                Cause::AddrNotAvailable => failed(Some(asked), cause),
                cause => failed(Some(asked), self.net.down_cause(&self.host, cause)),
            };
            self.net.tell(ticket(), None, &CoreEvent::Failed(&error));
            error
        })?;
        let listener = Listener::new(SocketRef::new(self.clone(), slot));
        if N::Engine::OBSERVED {
            self.net.tell(ticket(), None, &CoreEvent::Listened { addr: &listener.local_addr() });
        }
        Ok(listener)
    }

    /// Fails if the network or the host is down.
    fn check_up(&self) -> Result<(), Cause> {
        match self.net.down_cause(&self.host, Cause::SocketDown) {
            Cause::SocketDown => Ok(()),
            down => Err(down),
        }
    }
}

impl<N: NetRef> Listener<N> {
    pub(crate) fn new(place: SocketRef<N>) -> Self {
        Self { place }
    }

    /// The listener's address.
    #[must_use]
    pub fn local_addr(&self) -> Addr {
        self.place.local_addr()
    }

    /// The host that listens.
    #[must_use]
    pub fn host(&self) -> Host<N> {
        self.place.host()
    }

    /// Waits for the next connection. It borrows the listener: to spawn it, `async move { listener.accept().await }`.
    ///
    /// # Errors
    ///
    /// `network is down`, `host is down`, `socket is down`, like `accept pipet a:1: socket is down`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the operation loses no connection: the next accept returns it.
    pub fn accept(&self) -> Op<impl OnTimeout<Output = Result<Conn<N>, Error>> + use<'_, N>> {
        touch(self.place.net.clock());
        let expired = || Err(self.failed(Cause::TimedOut));
        let unregister = |waker: &Waker| {
            let (place, listener) = (&self.place, self.place.slot());
            let left = place.ports(|ports| queue(ports, listener).and_then(|queue| queue.acceptors.remove(waker)));
            left.into_iter().for_each(discard);
            self.cancel_pass(waker);
        };
        Op::new(Registered::new(poll_fn(|cx| self.poll_accept(cx)), expired, unregister)).on(self.place.net.clock())
    }

    /// Accepts the next connection, if one is queued. If its backend still has to acknowledge it, the first attempt
    /// claims the connection and a later one returns it.
    ///
    /// # Errors
    ///
    /// `would block` if none is queued, else those of [`accept`](Listener::accept).
    pub fn try_accept(&self) -> Result<Conn<N>, Error> {
        match self.poll_accept(&mut Context::from_waker(noop_waker())) {
            Poll::Ready(accepted) => accepted,
            Poll::Pending => Err(self.error(Cause::WouldBlock)),
        }
    }

    /// Polls for the next connection. On `Pending`, the task is registered and is woken when it should poll again.
    ///
    /// # Errors
    ///
    /// Those of [`accept`](Listener::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<Result<Conn<N>, Error>> {
        if self.place.net.engine.holds() {
            let intent = Intent::Accept { listener: &self.local_addr() };
            if self.place.net.engine.poll_pass(cx, &intent, None).is_pending() {
                return Poll::Pending;
            }
        }
        let accepted = self.poll_next(cx);
        if accepted.is_ready() {
            self.cancel_pass(cx.waker());
        }
        accepted
    }

    /// Tells an observer that the task's accept does not wait any more.
    #[inline]
    fn cancel_pass(&self, waker: &Waker) {
        if self.place.net.engine.holds() {
            self.place.net.engine.cancel_pass(&Gone::Accept(&self.local_addr(), waker), None);
        }
    }

    #[inline]
    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Result<Conn<N>, Error>> {
        let (place, listener) = (&self.place, self.place.slot());
        let share_port = place.net.options.share_port;
        loop {
            let mut ticket = Ticket::NONE;
            let delivery = poll_locked(cx.waker(), |registration| {
                place.ports(|ports| match next_delivery(ports, listener, share_port, registration.waker) {
                    Delivery::Nothing => {
                        if let Some(queue) = queue(ports, listener) {
                            registration.register(&mut queue.acceptors);
                        }
                        Poll::Pending
                    }
                    delivery => {
                        if matches!(delivery, Delivery::Connection(..)) {
                            ticket = place.net.engine.ticket();
                        }
                        Poll::Ready(delivery)
                    }
                })
            });
            match delivery {
                Poll::Pending | Poll::Ready(Delivery::Nothing) => {
                    place.net.engine.attend(cx);
                    return Poll::Pending;
                }
                Poll::Ready(Delivery::Progress(slot, backend)) => {
                    if N::Engine::HEARS_ANSWERS {
                        self.tell_failed(slot);
                    }
                    backend.wake();
                }
                Poll::Ready(Delivery::Closed) => return Poll::Ready(Err(self.failed(Cause::SocketDown))),
                Poll::Ready(Delivery::Connection(slot, link, dialling)) => {
                    let conn = Conn::new(SocketRef::new(place.host(), slot), link);
                    if N::Engine::OBSERVED {
                        let [listener, local, peer] = &[self.local_addr(), conn.local_addr(), conn.peer_addr()];
                        let accepted = CoreEvent::Accepted { listener, local, peer };
                        place.net.tell(ticket, Some(&conn.end.link), &accepted);
                    }
                    if N::Engine::HEARS_ANSWERS {
                        place.net.engine.answer(&conn.end.link, true);
                    }
                    dialling.wake();
                    return Poll::Ready(Ok(conn));
                }
            }
        }
    }

    /// Tells the engine if a request failed.
    #[cold]
    #[inline(never)]
    fn tell_failed(&self, request: u32) {
        let failed = self.place.ports(|ports| failed_link(ports, request));
        failed.iter().for_each(|link| self.place.net.engine.answer(link, false));
    }

    /// Closes the listener and frees its port. Pending accepts and queued dials are woken and fail. Accepted
    /// connections stay open. Closing it again does nothing.
    pub fn close(&self) {
        self.shut(false);
    }

    /// Closes the listener, because it is `dropped` or else by a call.
    fn shut(&self, dropped: bool) {
        let (place, slot) = (&self.place, self.place.slot());
        if place.net.engine.holds() && place.ports(|ports| place.is_open(ports)) {
            let closed = CoreEvent::ListenerClosed { addr: &self.local_addr(), dropped };
            place.net.engine.hold_thread(&closed, None);
        }
        let mut told = None;
        place.ports(|ports| {
            told = place.close_ticket(ports);
            ports.unbind(slot);
        });
        if let Some(ticket) = told {
            place.net.tell(ticket, None, &CoreEvent::ListenerClosed { addr: &self.local_addr(), dropped });
        }
        place.net.refuse_all(&place.host, slot, Shutdown::CloseOrReset);
        let before = place.socket(|socket| core::mem::replace(&mut socket.state, State::Closed));
        if let Some(State::Listener(queue)) = before {
            queue.into_value().acceptors.wake();
        }
    }

    /// An iterator that accepts connections and blocks the thread for each. In async code, accept in a loop, or see
    /// `into_stream`. The iterator ends after an error: when the listener, its host or the network is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::thread;
    /// use virtnet::pipenet;
    ///
    /// let net = pipenet::Network::new("t");
    /// let listener = Arc::new(net.host("a")?.listen(":1")?);
    /// let server = thread::spawn({
    ///     let listener = listener.clone();
    ///     move || listener.incoming().map(|conn| conn.map(drop)).filter_map(Result::err).count()
    /// });
    /// net.host("b")?.dial("a:1").wait()?;
    /// listener.close();
    /// assert_eq!(server.join().unwrap(), 1);
    /// # Ok::<(), virtnet::Error>(())
    /// ```
    #[cfg(feature = "std")]
    pub fn incoming(&self) -> impl Iterator<Item = Result<Conn<N>, Error>> + fmt::Debug + use<'_, N> {
        IncomingConns { listener: self, over: false }
    }

    /// The error of an accept that is reported.
    fn failed(&self, cause: Cause) -> Error {
        let error = self.error(cause);
        self.place.net.tell(self.place.net.engine.ticket(), None, &CoreEvent::Failed(&error));
        error
    }

    fn error(&self, cause: Cause) -> Error {
        let cause = self.place.down_cause(cause);
        Error::new(Operation::Accept, self.place.net.network_name(), None, Some(self.local_addr()), cause)
    }
}

impl<N: NetRef> Drop for Listener<N> {
    fn drop(&mut self) {
        self.shut(true);
        let gone = self.place.ports(|ports| ports.remove(self.place.slot()));
        drop(gone);
        self.place.net.check_idle(&self.place.host);
    }
}

impl<N: NetRef> fmt::Debug for Listener<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listener({} {})", self.place.net.network_name(), self.local_addr())
    }
}

#[cfg(feature = "std")]
struct IncomingConns<'a, N: NetRef> {
    listener: &'a Listener<N>,
    over: bool,
}

#[cfg(feature = "std")]
impl<N: NetRef> Iterator for IncomingConns<'_, N> {
    type Item = Result<Conn<N>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.listener.accept().wait();
        self.over = next.is_err();
        Some(next)
    }
}

#[cfg(feature = "std")]
impl<N: NetRef> fmt::Debug for IncomingConns<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IncomingConns({})", self.listener.local_addr())
    }
}
