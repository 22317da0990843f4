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

#[cfg(feature = "alloc")]
use alloc::sync::{Arc, Weak};
use core::fmt;
use core::future::Future;
use core::task::{Context, Poll, Waker};

use crate::addr::Addr;
use crate::contract::engine::{Engine, LinkStatus, Shutdown};
#[cfg(feature = "alloc")]
use crate::contract::engine::{FastIo, FastPath};
use crate::contract::layer::Layer;
use crate::contract::notifier::Notifier;
use crate::contract::observe::{CoreEvent, Gone, Intent, Observer, RawEvent, Ticket};
use crate::contract::registry::Registry;
use crate::error::cause::Cause;
use crate::sync::Lock;
use crate::trace::far::{Far, Open, TracedLink};
#[cfg(feature = "alloc")]
use crate::trace::incoming::{FromOutside, Incoming};
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
    /// The connections from outside, if the engine within accepts in the background.
    #[cfg(feature = "alloc")]
    incoming: Lock<Option<Arc<Incoming>>>,
}

impl<E, O> Traced<E, O> {
    /// `inner`, which `observer` is told of.
    pub const fn new(inner: E, observer: O) -> Self {
        Self {
            inner,
            observer,
            conns: Lock::new(0),
            offers: Offers::new(),
            #[cfg(feature = "alloc")]
            incoming: Lock::new(None),
        }
    }

    /// The engine within.
    pub fn inner(&self) -> &E {
        &self.inner
    }

    /// The engine within, to set its options before its network is used.
    #[cfg(feature = "pipenet")]
    pub(crate) const fn inner_mut(&mut self) -> &mut E {
        &mut self.inner
    }
}

impl<E: Engine, O: Observer + Clone + 'static> Engine for Traced<E, O> {
    type Link = TracedLink<E::Link>;
    type Data = E::Data;

    const OBSERVED: bool = true;
    const HEARS_ANSWERS: bool = E::HEARS_ANSWERS;

    #[cfg(feature = "alloc")]
    fn start<N>(&self, notifier: impl FnOnce() -> N)
    where
        Self: 'static,
        N: Notifier<Link = Self::Link> + 'static,
    {
        self.inner.start(|| {
            let incoming = Arc::<Incoming>::default();
            self.incoming.with(|place| *place = Some(incoming.clone()));
            FromOutside::new(notifier(), self.observer.clone(), incoming)
        });
    }

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
        #[cfg(feature = "alloc")]
        let incoming = self.incoming.with(|incoming| incoming.clone());
        #[cfg(feature = "alloc")]
        let _under_way = incoming.as_deref().map(|incoming| incoming.dials(conn, src, dst));
        let far = Far { notifier, observer: &self.observer, end: 2 * conn + 1 };
        let (link, peer) = self.inner.dial(src, dst, data, &far).await?;
        Ok((TracedLink { link, end: 2 * conn, acknowledged: false }, peer))
    }

    // Without a heap there is no fast path, and none of its code.
    #[cfg(feature = "alloc")]
    #[inline]
    fn fast_io(&self) -> Option<&impl FastIo<Self::Link>> {
        self.inner.fast_io().filter(|io| io.works()).map(|_| self)
    }

    fn poll_read(&self, link: &Self::Link, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        let holds = self.holds();
        if holds && self.observer.poll_pass(cx, &Intent::Read, Some(link.end)).is_pending() {
            return Poll::Pending;
        }
        let read = self.inner.poll_read(&link.link, cx, buf);
        if let Poll::Ready(Ok(count)) = read {
            self.told_read(link.end, buf.get(..count));
        }
        if holds && read.is_ready() {
            self.observer.cancel_pass(&Gone::Read(cx.waker()), Some(link.end));
        }
        read
    }

    fn poll_peek(&self, link: &Self::Link, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        self.inner.poll_peek(&link.link, cx, buf)
    }

    fn poll_write(&self, link: &Self::Link, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Cause>> {
        let holds = self.holds();
        if holds && self.observer.poll_pass(cx, &Intent::Write(buf), Some(link.end)).is_pending() {
            return Poll::Pending;
        }
        let written = if self.observer.paused() {
            self.inner.poll_write(&link.link, cx, buf)
        } else if self.inner.is_rendezvous() {
            self.offer(link, cx, buf)
        } else {
            self.write_told(link, cx, buf)
        };
        if holds && written.is_ready() {
            self.observer.cancel_pass(&Gone::Write(cx.waker()), Some(link.end));
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
        self.observer.cancel_pass(&Gone::Read(waker), Some(link.end));
        self.inner.cancel_read(&link.link, waker);
    }

    fn cancel_write(&self, link: &Self::Link, waker: &Waker) {
        self.observer.cancel_pass(&Gone::Write(waker), Some(link.end));
        self.inner.cancel_write(&link.link, waker);
    }

    fn withdraw_write(&self, link: &Self::Link, waker: &Waker) -> usize {
        self.observer.cancel_pass(&Gone::Write(waker), Some(link.end));
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

    #[inline]
    fn attend(&self, cx: &mut Context<'_>) {
        self.inner.attend(cx);
    }

    #[inline]
    fn answer(&self, link: &Self::Link, accepted: bool) {
        self.inner.answer(&link.link, accepted);
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

    #[cfg(feature = "alloc")]
    fn attach(&self, name: &str, picture: Weak<dyn fmt::Display + Send + Sync>) {
        self.observer.attach(name, picture);
        #[cfg(feature = "sim")]
        self.inner.clock().into_iter().for_each(|clock| self.observer.clock(clock));
    }

    #[cfg(feature = "sim")]
    fn clock(&self) -> Option<&Clock> {
        self.inner.clock()
    }

    fn power(&self, host: &str, on: bool) -> bool {
        self.inner.power(host, on)
    }

    // Without a heap there is no gate, and none of its code.
    #[cfg(feature = "alloc")]
    #[inline]
    fn holds(&self) -> bool {
        self.observer.holds()
    }

    fn poll_pass(&self, cx: &mut Context<'_>, intent: &Intent<'_>, link: Option<&Self::Link>) -> Poll<()> {
        self.observer.poll_pass(cx, intent, link.map(|link| link.end))
    }

    fn cancel_pass(&self, gone: &Gone<'_>, link: Option<&Self::Link>) {
        self.observer.cancel_pass(gone, link.map(|link| link.end));
    }

    fn hold_thread(&self, event: &CoreEvent<'_>, link: Option<&Self::Link>) {
        self.observer.hold_thread(event, link.map(|link| link.end));
    }

    fn close(&self) -> impl Future<Output = Result<(), Cause>> + Send {
        self.inner.close()
    }
}

/// An observer in a static, such as an [`EventRing`](crate::trace::EventRing).
impl<O: Observer + ?Sized> Layer for &'static O {
    type Engine<E: Engine + 'static> = Traced<E, Self>;

    fn wrap<E: Engine + 'static>(self, inner: E) -> Traced<E, Self> {
        Traced::new(inner, self)
    }
}

impl<E: Engine, O: Observer> Traced<E, O> {
    /// Bytes were read.
    fn told_read(&self, end: u32, bytes: Option<&[u8]>) {
        if let Some(bytes @ [_, ..]) = bytes
            && !self.observer.paused()
        {
            self.observer.now(&RawEvent::Read { end, bytes });
        }
    }

    /// A buffered write, which is recorded if it moved bytes.
    fn write_told(&self, link: &TracedLink<E::Link>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Cause>> {
        let open = Open::draw(&self.observer);
        let written = self.inner.poll_write(&link.link, cx, buf);
        if let Poll::Ready(Ok(count)) = written
            && let Some(bytes @ [_, ..]) = buf.get(..count)
        {
            open.record(&RawEvent::Wrote { end: link.end, bytes, of: buf.len() });
        }
        written
    }

    /// A write in a rendezvous: its first poll offers the bytes.
    fn offer(&self, link: &TracedLink<E::Link>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Cause>> {
        let (end, of) = (link.end, buf.len());
        let open = self.offers.begin(end, cx.waker(), of).then(|| Open::draw(&self.observer));
        let written = self.inner.poll_write(&link.link, cx, buf);
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

/// The fast path of the engine within, recorded, while no operation is held. A rendezvous has none.
#[cfg(feature = "alloc")]
impl<E: Engine, O: Observer + Clone + 'static> FastIo<TracedLink<E::Link>> for Traced<E, O> {
    #[inline]
    fn works(&self) -> bool {
        self.inner.fast_io().is_some_and(FastIo::works)
    }

    #[inline]
    fn fast_read(&self, link: &TracedLink<E::Link>, waker: &Waker, buf: &mut [u8]) -> FastPath {
        let Some(io) = self.inner.fast_io().filter(|_| !self.holds()) else { return FastPath::Fallback };
        let read = io.fast_read(&link.link, waker, buf);
        if let FastPath::Done(count) = read {
            self.told_read(link.end, buf.get(..count));
        }
        read
    }

    #[inline]
    fn fast_write(&self, link: &TracedLink<E::Link>, waker: &Waker, buf: &[u8]) -> FastPath {
        let is_fast = !self.holds() && !self.inner.is_rendezvous();
        let Some(io) = self.inner.fast_io().filter(|_| is_fast) else { return FastPath::Fallback };
        if self.observer.paused() {
            return io.fast_write(&link.link, waker, buf);
        }
        let open = Open::draw(&self.observer);
        let written = io.fast_write(&link.link, waker, buf);
        if let FastPath::Done(count) = written
            && let Some(bytes @ [_, ..]) = buf.get(..count)
        {
            open.record(&RawEvent::Wrote { end: link.end, bytes, of: buf.len() });
        }
        written
    }
}

impl<E: fmt::Debug, O> fmt::Debug for Traced<E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Traced").field(&self.inner).finish()
    }
}
