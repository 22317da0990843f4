//! The engine of a network with faults: another engine, whose bytes, ends and dials arrive when faults let them.
//!
//! Bytes never leave the engine within: a fault decides only when the reader sees them. So none can be lost, repeated or
//! reordered, and the engine's buffer is the only one.

use alloc::sync::Weak;
use core::fmt;
use core::future::Future;
use core::task::{Context, Poll, Waker};

use crate::addr::Addr;
use crate::addr::name::HostName;
use crate::contract::any_notifier::AnyNotifier;
use crate::contract::engine::{DelayIo, DelayStatus, Engine, FastIo, FastPath, LinkStatus, Shutdown};
use crate::contract::notifier::Notifier;
use crate::contract::observe::{CoreEvent, Gone, Intent, Ticket};
use crate::contract::registry::Registry;
use crate::error::cause::Cause;
use crate::sim::conn::Look;
use crate::sim::dial;
use crate::sim::direction::NEVER;
use crate::sim::faulty::{Faulty, FaultyLink};
use crate::sim::incoming::FromOutside;
use crate::sim::rule::Verdict;
use crate::sim::setting::nanos;
use crate::wait::clock::Clock;
use crate::wait::waker::Task;

impl<E: Engine + 'static> Engine for Faulty<E> {
    type Link = FaultyLink<E>;
    type Data = E::Data;

    const OBSERVED: bool = E::OBSERVED;
    const HEARS_ANSWERS: bool = true;

    fn start<N>(&self, notifier: impl FnOnce() -> N)
    where
        N: Notifier<Link = Self::Link> + 'static,
    {
        let notifier = AnyNotifier::new(notifier());
        self.set_notifier(notifier.clone());
        self.inner.start(|| FromOutside { notifier, engine: self.inner.clone(), shared: self.shared().clone() });
    }

    fn new_host<R: Registry<Data = Self::Data>>(
        &self,
        host: &str,
        registry: &R,
    ) -> impl Future<Output = Result<(), Cause>> + Send {
        self.inner.new_host(host, registry)
    }

    fn dial<N: Notifier<Link = Self::Link>>(
        &self,
        src: &Addr,
        dst: &Addr,
        data: Self::Data,
        notifier: &N,
    ) -> impl Future<Output = Result<(Self::Link, Addr), Cause>> + Send {
        dial::dial(self, src, dst, data, notifier)
    }

    #[inline]
    fn fast_io(&self) -> Option<&impl FastIo<Self::Link>> {
        self.inner.fast_io().map(|_| self)
    }

    fn poll_read(&self, link: &Self::Link, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        let FaultyLink { link, links, side } = link;
        let most = if links.looks_at_reads(*side) {
            self.shared().look(|world| world.short(links.conn, *side, buf.len()))
        } else {
            buf.len()
        };
        let buf = buf.get_mut(..most).unwrap_or_default();
        self.inner.poll_read(link, cx, buf).map_err(|cause| links.cause(*side, cause))
    }

    fn poll_peek(&self, link: &Self::Link, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        self.inner.poll_peek(&link.link, cx, buf).map_err(|cause| link.links.cause(link.side, cause))
    }

    fn poll_write(&self, link: &Self::Link, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Cause>> {
        let FaultyLink { links, side, .. } = link;
        let (mut most, mut more) = (buf.len(), 0);
        if links.looks_at_writes(*side) {
            match self.shared().judge_write(links.conn, *side, buf) {
                Verdict::Pass => {}
                Verdict::Delay(by) => more = nanos(by),
                Verdict::Hold => more = NEVER,
                Verdict::Reset | Verdict::Refuse => {
                    self.shared().act(|world, actions| world.break_off(links.conn, actions));
                    return Poll::Ready(Err(Cause::ConnectionReset));
                }
            }
            match self.shared().look(|world| world.look(links.conn, *side, buf.len())) {
                Look::Write(count) => most = count,
                Look::Fail(cause) => return Poll::Ready(Err(cause)),
                Look::Wait => {
                    links.stall(*side, cx);
                    // The limit may have been lifted before the task was registered.
                    match self.shared().look(|world| world.look(links.conn, *side, buf.len())) {
                        Look::Wait => return Poll::Pending,
                        Look::Write(count) => most = count,
                        Look::Fail(cause) => return Poll::Ready(Err(cause)),
                    }
                }
            }
        }
        let buf = buf.get(..most).unwrap_or_default();
        self.write(link, cx, buf, more).map_err(|cause| links.cause(*side, cause))
    }

    fn is_rendezvous(&self) -> bool {
        self.inner.is_rendezvous()
    }

    fn poll_writable(&self, link: &Self::Link, cx: &mut Context<'_>) -> Poll<()> {
        self.inner.poll_writable(&link.link, cx)
    }

    fn poll_flush(&self, link: &Self::Link, cx: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        self.inner.poll_flush(&link.link, cx).map_err(|cause| link.links.cause(link.side, cause))
    }

    fn cancel_read(&self, link: &Self::Link, waker: &Waker) {
        self.inner.cancel_read(&link.link, waker);
    }

    fn cancel_write(&self, link: &Self::Link, waker: &Waker) {
        self.inner.cancel_write(&link.link, waker);
    }

    fn withdraw_write(&self, link: &Self::Link, waker: &Waker) -> usize {
        let offer = link.links.take_offer(link.side, Task::of(waker));
        self.drop_offers(offer);
        self.inner.withdraw_write(&link.link, waker)
    }

    fn status(&self, link: &Self::Link) -> LinkStatus {
        let FaultyLink { link, links, side } = link;
        let mut status = self.inner.status(link);
        status.delay = self
            .shared()
            .look(|world| world.status(links.conn, *side))
            .map(|delay| DelayStatus { in_flight: self.inner.delay_io().map_or(0, |io| io.hidden(link)), ..delay });
        status
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

    fn answer(&self, link: &Self::Link, accepted: bool) {
        self.inner.answer(&link.link, accepted);
        link.links.answer(accepted);
    }

    fn shutdown(&self, link: &Self::Link, how: Shutdown) -> bool {
        self.shut(&link.links, link.side, &link.link, how)
    }

    fn release(&self, link: &Self::Link) {
        let FaultyLink { link, links, side } = link;
        if !links.has_left(*side) || self.shared().look(|world| world.release_end(links.conn, *side)) {
            self.inner.release(link);
        }
    }

    #[inline]
    fn ticket(&self) -> Ticket {
        self.inner.ticket()
    }

    fn observe(&self, ticket: Ticket, event: &CoreEvent<'_>, link: Option<&Self::Link>) {
        self.inner.observe(ticket, event, link.map(|link| &link.link));
    }

    fn attach(&self, name: &str, picture: Weak<dyn fmt::Display + Send + Sync>) {
        self.inner.attach(name, picture);
    }

    fn power(&self, host: &str, on: bool) -> bool {
        self.inner.power(host, on);
        let Some(host) = HostName::valid("", host) else { return false };
        // First, what is due arrives.
        self.shared().run();
        self.shared().step(|world, now, actions| world.power(&host, on, now, actions));
        true
    }

    fn clock(&self) -> Option<&Clock> {
        self.shared().clock()
    }

    #[inline]
    fn holds(&self) -> bool {
        self.inner.holds()
    }

    fn poll_pass(&self, cx: &mut Context<'_>, intent: &Intent<'_>, link: Option<&Self::Link>) -> Poll<()> {
        self.inner.poll_pass(cx, intent, link.map(|link| &link.link))
    }

    fn cancel_pass(&self, gone: &Gone<'_>, link: Option<&Self::Link>) {
        self.inner.cancel_pass(gone, link.map(|link| &link.link));
    }

    fn hold_thread(&self, event: &CoreEvent<'_>, link: Option<&Self::Link>) {
        self.inner.hold_thread(event, link.map(|link| &link.link));
    }

    fn close(&self) -> impl Future<Output = Result<(), Cause>> + Send {
        self.inner.close()
    }
}

impl<E: Engine + 'static> FastIo<FaultyLink<E>> for Faulty<E> {
    #[inline]
    fn works(&self) -> bool {
        self.inner.fast_io().is_some_and(FastIo::works)
    }

    #[inline]
    fn fast_read(&self, link: &FaultyLink<E>, waker: &Waker, buf: &mut [u8]) -> FastPath {
        match self.inner.fast_io() {
            Some(io) if !link.links.looks_at_reads(link.side) => io.fast_read(&link.link, waker, buf),
            _ => FastPath::Fallback,
        }
    }

    #[inline]
    fn fast_write(&self, link: &FaultyLink<E>, waker: &Waker, buf: &[u8]) -> FastPath {
        match self.inner.fast_io() {
            Some(io) if !link.links.looks_at_writes(link.side) => io.fast_write(&link.link, waker, buf),
            _ => FastPath::Fallback,
        }
    }
}
