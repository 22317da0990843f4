//! The engine of a traced network: the engine of another, whose bytes and events an observer is told.
//!
//! # When a ticket is drawn
//!
//! A write draws its ticket before the inner engine is asked, a read after it has answered: else the read of some bytes
//! could be recorded before their write, if the peer is faster than this thread is from the pipe to the recorder. A
//! write that does not move any bytes gives its ticket back. The storm in `tests/trace` finds a ticket that is drawn
//! late.
//!
//! # Rendezvous
//!
//! A write in a rendezvous is polled several times before its bytes are taken. Its first poll is recorded as the offer,
//! and what it reports in the end as what was taken. [`Offers`] knows which writes are under way.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use crate::addr::Addr;
use crate::contract::engine::{Engine, FastIo as _, FastPath, LinkStatus, Shutdown};
use crate::contract::notifier::{Accept, Later, Notifier};
use crate::contract::observe::{CoreEvent, Intent, Observer, RawEvent, Ticket};
use crate::contract::registry::Registry;
use crate::error::cause::Cause;
use crate::sync::Lock;
use crate::trace::offers::Offers;
#[cfg(feature = "sim")]
use crate::wait::clock::Clock;

/// An engine whose events are told to the observer `O`. It changes nothing else.
pub struct Traced<E, O> {
    inner: E,
    observer: O,
    /// How many connections were numbered.
    conns: Lock<u32>,
    offers: Offers,
}

/// One end of a traced connection.
#[derive(Clone, Debug)]
pub struct TracedLink<L> {
    link: L,
    /// Twice the number of the connection, and 1 more at the accepted end.
    end: u32,
    /// Whether the backend's acknowledgement is the accept of this end: it comes before that of the listener.
    acknowledged: bool,
}

impl<E, O> Traced<E, O> {
    /// `inner`, which `observer` is told of.
    pub const fn new(inner: E, observer: O) -> Self {
        Self { inner, observer, conns: Lock::new(0), offers: Offers::new() }
    }

    /// The engine within.
    pub fn inner(&self) -> &E {
        &self.inner
    }
}

impl<E: Engine, O: Observer> Engine for Traced<E, O> {
    type Link = TracedLink<E::Link>;
    type Data = E::Data;

    const OBSERVED: bool = true;

    fn new_host<R: Registry<Data = Self::Data>>(
        &self,
        host: &str,
        registry: &R,
    ) -> impl Future<Output = Result<(), Cause>> + Send {
        self.inner.new_host(host, registry)
    }

    async fn dial<N: Notifier<Link = Self::Link>>(
        &self,
        src: &Addr,
        dst: &Addr,
        data: Self::Data,
        notifier: &N,
    ) -> Result<(Self::Link, Addr), Cause> {
        let conn = self.conns.with(|conns| {
            *conns = conns.wrapping_add(1);
            *conns
        });
        self.observer.now(&RawEvent::Opened { conn, src, dst });
        let far = Far { notifier, observer: &self.observer, end: 2 * conn + 1 };
        let (link, peer) = self.inner.dial(src, dst, data, &far).await?;
        Ok((TracedLink { link, end: 2 * conn, acknowledged: false }, peer))
    }

    fn poll_read(&self, link: &Self::Link, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        let read = match self.inner.fast_io().map(|io| io.fast_read(&link.link, cx.waker(), buf)) {
            Some(FastPath::Done(count)) => Poll::Ready(Ok(count)),
            Some(FastPath::Pending) => return Poll::Pending,
            Some(FastPath::Fallback) | None => self.inner.poll_read(&link.link, cx, buf),
        };
        if let Poll::Ready(Ok(count)) = read
            && let Some(bytes @ [_, ..]) = buf.get(..count)
            && !self.observer.paused()
        {
            self.observer.now(&RawEvent::Read { end: link.end, bytes });
        }
        read
    }

    fn poll_peek(&self, link: &Self::Link, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        self.inner.poll_peek(&link.link, cx, buf)
    }

    fn poll_write(&self, link: &Self::Link, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Cause>> {
        if self.observer.paused() {
            return self.write(link, cx, buf);
        }
        if self.inner.is_rendezvous() {
            return self.offer(link, cx, buf);
        }
        let open = Open::draw(&self.observer);
        let written = self.write(link, cx, buf);
        if let Poll::Ready(Ok(count)) = written
            && let Some(bytes @ [_, ..]) = buf.get(..count)
        {
            open.record(&RawEvent::Wrote { end: link.end, bytes, of: buf.len() });
        }
        written
    }

    fn is_rendezvous(&self) -> bool {
        self.inner.is_rendezvous()
    }

    fn poll_writable(&self, link: &Self::Link, cx: &mut Context<'_>) -> Poll<()> {
        self.inner.poll_writable(&link.link, cx)
    }

    fn poll_flush(&self, link: &Self::Link, cx: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        self.inner.poll_flush(&link.link, cx)
    }

    fn cancel_read(&self, link: &Self::Link, waker: &Waker) {
        self.inner.cancel_read(&link.link, waker);
    }

    fn cancel_write(&self, link: &Self::Link, waker: &Waker) {
        self.inner.cancel_write(&link.link, waker);
    }

    fn withdraw_write(&self, link: &Self::Link, waker: &Waker) -> usize {
        let taken = self.inner.withdraw_write(&link.link, waker);
        if let Some(of) = self.offers.end(link.end, waker) {
            self.observer.now(&RawEvent::Taken { end: link.end, count: taken, of });
        }
        taken
    }

    fn status(&self, link: &Self::Link) -> LinkStatus {
        self.inner.status(&link.link)
    }

    fn number(&self, link: &Self::Link) -> u64 {
        self.inner.number(&link.link)
    }

    fn watch(&self, link: &Self::Link, waker: &Waker) {
        self.inner.watch(&link.link, waker);
    }

    fn shutdown(&self, link: &Self::Link, how: Shutdown) -> bool {
        self.inner.shutdown(&link.link, how)
    }

    fn release(&self, link: &Self::Link) {
        self.offers.forget(link.end);
        self.inner.release(&link.link);
    }

    #[inline]
    fn ticket(&self) -> Ticket {
        self.observer.ticket()
    }

    fn observe(&self, ticket: Ticket, event: &CoreEvent<'_>, link: Option<&Self::Link>) {
        match event {
            CoreEvent::Void => self.observer.void(ticket),
            CoreEvent::Accepted { .. } if link.is_some_and(|link| link.acknowledged) => self.observer.void(ticket),
            event => self.observer.record(ticket, &RawEvent::Core(event, link.map(|link| link.end))),
        }
    }

    fn attach(&self, name: &str, picture: Weak<dyn fmt::Display + Send + Sync>) {
        self.observer.attach(name, picture);
        #[cfg(feature = "sim")]
        self.inner.clock().into_iter().for_each(|clock| self.observer.clock(clock));
    }

    #[cfg(feature = "sim")]
    fn clock(&self) -> Option<&Clock> {
        self.inner.clock()
    }

    fn poll_pass(&self, cx: &mut Context<'_>, intent: &Intent<'_>, link: Option<&Self::Link>) -> Poll<()> {
        self.observer.poll_pass(cx, intent, link.map(|link| link.end))
    }

    fn close(&self) -> impl Future<Output = Result<(), Cause>> + Send {
        self.inner.close()
    }
}

impl<E: Engine, O: Observer> Traced<E, O> {
    fn write(&self, link: &TracedLink<E::Link>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Cause>> {
        match self.inner.fast_io().map(|io| io.fast_write(&link.link, cx.waker(), buf)) {
            Some(FastPath::Done(count)) => Poll::Ready(Ok(count)),
            Some(FastPath::Pending) => Poll::Pending,
            Some(FastPath::Fallback) | None => self.inner.poll_write(&link.link, cx, buf),
        }
    }

    /// A write in a rendezvous: its first poll offers the bytes.
    fn offer(&self, link: &TracedLink<E::Link>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Cause>> {
        let (end, of) = (link.end, buf.len());
        let open = self.offers.begin(end, cx.waker(), of).then(|| Open::draw(&self.observer));
        let written = self.write(link, cx, buf);
        match (open, &written) {
            // A write that fails at its first poll offered nothing.
            (Some(_), Poll::Ready(Err(_))) | (None, Poll::Pending) => {}
            (Some(open), _) => open.record(&RawEvent::Wrote { end, bytes: buf, of }),
            (None, Poll::Ready(_)) => {}
        }
        if let Poll::Ready(outcome) = &written {
            self.offers.end(end, cx.waker());
            if let Ok(count) = *outcome {
                self.observer.now(&RawEvent::Taken { end, count, of });
            }
        }
        written
    }
}

impl<E: fmt::Debug, O> fmt::Debug for Traced<E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Traced").field(&self.inner).finish()
    }
}

/// A ticket that is out. It is given back unless its event is recorded, also by a panic of the inner engine.
struct Open<'a, O: Observer> {
    observer: &'a O,
    ticket: Ticket,
}

impl<'a, O: Observer> Open<'a, O> {
    fn draw(observer: &'a O) -> Self {
        Self { ticket: observer.ticket(), observer }
    }

    fn record(self, event: &RawEvent<'_>) {
        self.observer.record(self.ticket, event);
        core::mem::forget(self);
    }
}

impl<O: Observer> Drop for Open<'_, O> {
    fn drop(&mut self) {
        self.observer.void(self.ticket);
    }
}

/// The notifier of a traced engine: it gives the far end of a connection its number.
struct Far<'a, N, O> {
    notifier: &'a N,
    observer: &'a O,
    end: u32,
}

impl<'a, N, L, O> Notifier for Far<'a, N, O>
where
    N: Notifier<Link = TracedLink<L>>,
    L: Clone + Send + Sync,
    O: Observer,
{
    type Link = L;
    type Accept = FarAccept<'a, N::Accept, O>;

    async fn accept(&self, src: &Addr, dst: &Addr, link: L) -> Result<Self::Accept, Cause> {
        let Self { notifier, observer, end } = *self;
        let accept = notifier.accept(src, dst, TracedLink { link, end, acknowledged: true }).await?;
        Ok(FarAccept { accept, observer, end, src: *src, dst: *dst })
    }

    fn connect(&self, src: &Addr, dst: &Addr, link: L) -> impl Future<Output = Result<Addr, Cause>> + Send {
        self.notifier.connect(src, dst, TracedLink { link, end: self.end, acknowledged: false })
    }

    fn later(&self) -> Option<Arc<dyn Later<L>>>
    where
        L: 'static,
    {
        let later = self.notifier.later()?;
        Some(Arc::new(FarLater { later, end: self.end }))
    }

    fn down(&self, cause: Cause) -> impl Future<Output = ()> + Send {
        self.notifier.down(cause)
    }
}

/// Gives the far end of a connection its number when it is handed over.
struct FarLater<L> {
    later: Arc<dyn Later<TracedLink<L>>>,
    end: u32,
}

impl<L> Later<L> for FarLater<L> {
    fn connect(&self, src: &Addr, dst: &Addr, link: L) -> Pin<Box<dyn Future<Output = Result<Addr, Cause>> + Send>> {
        self.later.connect(src, dst, TracedLink { link, end: self.end, acknowledged: false })
    }
}

/// An accept by a traced engine in two phases: the acknowledgement answers the dial, so it is the accept.
struct FarAccept<'a, A, O> {
    accept: A,
    observer: &'a O,
    end: u32,
    src: Addr,
    dst: Addr,
}

impl<A: Accept, O: Observer> Accept for FarAccept<'_, A, O> {
    fn local_addr(&self) -> Addr {
        self.accept.local_addr()
    }

    fn acknowledge(self) -> Result<(), Cause> {
        let Self { accept, observer, end, src, dst } = self;
        let local = accept.local_addr();
        let open = Open::draw(observer);
        accept.acknowledge()?;
        let accepted = CoreEvent::Accepted { listener: &dst, local: &local, peer: &src };
        open.record(&RawEvent::Core(&accepted, Some(end)));
        Ok(())
    }

    fn refuse(self) {
        self.accept.refuse();
    }
}
