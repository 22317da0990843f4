//! The engine of a network of a fixed size with faults: another engine, whose bytes stay in its own buffers, and are seen
//! when they arrive.

#[cfg(feature = "alloc")]
use alloc::sync::Weak;
#[cfg(feature = "alloc")]
use core::fmt;
use core::future::Future;
use core::task::{Context, Poll, Waker};

use super::dial;
use super::faulty::{FixedFaulty, FixedFaultyLink};
use super::table::Role;
use crate::addr::Addr;
use crate::contract::engine::{DelayIo as _, DelayStatus, Engine, LinkStatus, Shutdown};
use crate::contract::notifier::Notifier;
use crate::contract::observe::{CoreEvent, Gone, Intent, Ticket};
use crate::contract::registry::Registry;
use crate::error::cause::Cause;
use crate::wait::clock::Clock;

impl<E: Engine> Engine for FixedFaulty<E> {
    type Link = FixedFaultyLink<E::Link>;
    type Data = E::Data;

    const OBSERVED: bool = E::OBSERVED;
    const HEARS_ANSWERS: bool = true;

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

    fn poll_read(&self, link: &Self::Link, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        self.poll(link, Role::Read, cx, |cx| self.inner.poll_read(&link.link, cx, buf))
    }

    fn poll_peek(&self, link: &Self::Link, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cause>> {
        self.poll(link, Role::Read, cx, |cx| self.inner.poll_peek(&link.link, cx, buf))
    }

    fn poll_write(&self, link: &Self::Link, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Cause>> {
        self.poll(link, Role::Write, cx, |cx| {
            let (Some((id, side)), Some(io)) = (link.place, self.inner.delay_io()) else {
                return self.inner.poll_write(&link.link, cx, buf);
            };
            io.hold(&link.link, self.table.step(|slots| slots.delays(id, side)));
            let written = io.poll_write_held(&link.link, cx, buf);
            if let Poll::Ready(Ok((count, true))) = written {
                self.sent(link, count);
            }
            // The engine within may know of the end of the stream alone.
            let closed =
                |cause| if self.table.step(|slots| slots.is_closed(id, side)) { Cause::SocketDown } else { cause };
            written.map_ok(|(count, _)| count).map_err(closed)
        })
    }

    fn poll_writable(&self, link: &Self::Link, cx: &mut Context<'_>) -> Poll<()> {
        self.poll(link, Role::Write, cx, |cx| self.inner.poll_writable(&link.link, cx))
    }

    fn is_rendezvous(&self) -> bool {
        self.inner.is_rendezvous()
    }

    fn poll_flush(&self, link: &Self::Link, cx: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        self.inner.poll_flush(&link.link, cx)
    }

    fn cancel_read(&self, link: &Self::Link, waker: &Waker) {
        self.inner.cancel_read(&link.link, waker);
        link.place.into_iter().for_each(|(id, side)| self.table.leave(id, side, Role::Read));
    }

    fn cancel_write(&self, link: &Self::Link, waker: &Waker) {
        self.inner.cancel_write(&link.link, waker);
        link.place.into_iter().for_each(|(id, side)| self.table.leave(id, side, Role::Write));
    }

    fn withdraw_write(&self, link: &Self::Link, waker: &Waker) -> usize {
        self.inner.withdraw_write(&link.link, waker)
    }

    fn status(&self, link: &Self::Link) -> LinkStatus {
        self.settle(link);
        let mut status = self.inner.status(&link.link);
        let way = link.place.and_then(|(id, side)| self.table.step(|slots| slots.way(id, side)));
        let in_flight = self.inner.delay_io().map_or(0, |io| io.hidden(&link.link));
        status.delay = way.filter(|way| way.delays() || in_flight > 0).map(|way| DelayStatus {
            in_flight,
            cut: way.cut_at.is_some(),
            held: way.held,
            latency: way.latency,
        });
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
        let Some((id, _)) = link.place else { return };
        self.table.step(|slots| {
            slots.send_letter(id, 1);
            if !accepted {
                slots.refuse(id);
            }
        });
    }

    fn shutdown(&self, link: &Self::Link, how: Shutdown) -> bool {
        self.shut(link, how)
    }

    fn release(&self, link: &Self::Link) {
        if link.place.is_none_or(|(id, side)| self.table.step(|slots| slots.release(id, side))) {
            self.inner.release(&link.link);
        }
    }

    fn ticket(&self) -> Ticket {
        self.inner.ticket()
    }

    fn observe(&self, ticket: Ticket, event: &CoreEvent<'_>, link: Option<&Self::Link>) {
        self.inner.observe(ticket, event, link.map(|link| &link.link));
    }

    #[cfg(feature = "alloc")]
    fn attach(&self, name: &str, picture: Weak<dyn fmt::Display + Send + Sync>) {
        self.inner.attach(name, picture);
    }

    fn clock(&self) -> Option<&Clock> {
        self.inner.clock()
    }

    fn power(&self, host: &str, on: bool) -> bool {
        self.inner.power(host, on)
    }

    fn holds(&self) -> bool {
        self.inner.holds()
    }

    fn poll_pass(&self, cx: &mut Context<'_>, intent: &Intent<'_>, link: Option<&Self::Link>) -> Poll<()> {
        self.inner.poll_pass(cx, intent, link.map(|link| &link.link))
    }

    fn cancel_pass(&self, gone: &Gone<'_>, link: Option<&Self::Link>) {
        self.inner.cancel_pass(gone, link.map(|link| &link.link));
    }

    fn close(&self) -> impl Future<Output = Result<(), Cause>> + Send {
        self.inner.close()
    }
}
