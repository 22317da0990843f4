//! An engine with faults, and how its writes and ends take their way through lanes.

use alloc::sync::Arc;
use core::fmt;
use core::task::{Context, Poll};

use crate::contract::any_notifier::AnyNotifier;
use crate::contract::engine::{DelayIo, Engine, Shutdown};
use crate::error::cause::Cause;
use crate::sim::conn::Way;
use crate::sim::letter::Letter;
use crate::sim::links::{Links, Offer, audible};
use crate::sim::shared::Shared;
use crate::sync::Lock;
use crate::wait::waker::Task;

/// An engine with [`Faults`](crate::sim::Faults).
pub struct Faulty<E: Engine> {
    pub(super) inner: Arc<E>,
    faults: Arc<Shared>,
    /// Hands over connections whose requests arrive by themselves. There is none in a subnetwork that is not shared.
    notifier: Lock<Option<AnyNotifier<FaultyLink<E>>>>,
}

/// One end of a connection with faults.
pub struct FaultyLink<E: Engine> {
    pub(super) link: E::Link,
    pub(super) links: Arc<Links<E>>,
    /// 0 at the end that dialled, and 1 at the other.
    pub(super) side: usize,
}

impl<E: Engine> Clone for FaultyLink<E> {
    fn clone(&self) -> Self {
        Self { link: self.link.clone(), links: self.links.clone(), side: self.side }
    }
}

impl<E: Engine> Faulty<E> {
    pub(super) fn new(inner: E, faults: Arc<Shared>) -> Self {
        Self { inner: Arc::new(inner), faults, notifier: Lock::new(None) }
    }

    /// The engine within.
    pub fn inner(&self) -> &E {
        &self.inner
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.faults
    }
}

impl<E: Engine + 'static> Faulty<E> {
    /// The subnetwork hands over connections by this notifier from now on.
    pub(super) fn set_notifier(&self, notifier: AnyNotifier<FaultyLink<E>>) {
        self.notifier.with(|place| *place = Some(notifier));
    }

    pub(super) fn notifier(&self) -> Option<AnyNotifier<FaultyLink<E>>> {
        self.notifier.with(|notifier| notifier.clone())
    }

    /// Writes; what is written arrives later by `more` by a rule.
    pub(super) fn write(
        &self,
        link: &FaultyLink<E>,
        cx: &mut Context<'_>,
        buf: &[u8],
        more: u64,
    ) -> Poll<Result<usize, Cause>> {
        let FaultyLink { link: inner, .. } = link;
        match self.inner.delay_io() {
            Some(io) if !self.inner.is_rendezvous() => {
                let written = io.poll_write_held(inner, cx, buf);
                if let Poll::Ready(Ok((count, true))) = written {
                    let (conn, side) = (link.links.conn, link.side);
                    if more == 0 && self.shared().look(|world| world.sent_at_once(conn, side, count)) {
                        io.show(inner, count);
                    } else {
                        self.sent(link, count, more);
                    }
                }
                written.map_ok(|(count, _)| count)
            }
            _ => self.offer(link, cx, buf, more),
        }
    }

    /// Bytes were written that wait to be shown.
    fn sent(&self, link: &FaultyLink<E>, count: usize, more: u64) {
        let (conn, side) = (link.links.conn, link.side);
        let ends = self.shared().step(|world, now, actions| {
            world.sent(conn, side, (count, more), now, actions);
            world.ends_now(conn, side)
        });
        if ends {
            self.shutdown(link, Shutdown::Write);
        }
    }

    /// A write to an engine that cannot hide bytes: it is offered to the engine when it arrives.
    fn offer(&self, link: &FaultyLink<E>, cx: &mut Context<'_>, buf: &[u8], more: u64) -> Poll<Result<usize, Cause>> {
        let FaultyLink { link: inner, links, side } = link;
        let task = Task::of(cx.waker());
        let (known, stale) = links.offer(*side, task, buf);
        self.drop_offers(stale);
        if known.is_none() && !links.is_delayed(*side) {
            return self.inner.poll_write(inner, cx, buf);
        }
        let letter = match known {
            Some(letter) => Some(letter),
            None => {
                let letter = Arc::new(Letter::new());
                let place = self
                    .shared()
                    .step(|world, now, _| world.send_offer(links.conn, *side, buf.len(), &letter, (more, now)));
                place.map(|place| {
                    links.add_offer(*side, Offer::new(task, buf, letter.clone(), place));
                    letter
                })
            }
        };
        // Whatever an end was closed by meanwhile, the engine knows.
        let open = self.shared().look(|world| world.is_open(links.conn, *side));
        if let Some(letter) = letter
            && open
            && letter.poll(cx).is_pending()
        {
            return Poll::Pending;
        }
        let written = self.inner.poll_write(inner, cx, buf);
        if written.is_ready() {
            self.drop_offers(links.take_offer(*side, task));
        }
        written
    }

    /// Drops writes that are on their way.
    pub(super) fn drop_offers(&self, offers: impl IntoIterator<Item = Offer>) {
        for offer in offers {
            let letter = self.shared().act(|world, _| world.take_letter(offer.dir, offer.number));
            drop(letter);
        }
    }

    /// Shuts an end down, by way of its lane if it has one.
    pub(super) fn shut(&self, links: &Arc<Links<E>>, side: usize, link: &E::Link, how: Shutdown) -> bool {
        let lanes = self.inner.delay_io();
        let how = if lanes.is_some() { how } else { audible(how) };
        let conn = links.conn;
        let way = match lanes {
            Some(_) => self.shared().look(|world| world.shut_plain(conn, side, how)),
            None => Some(self.shared().act(|world, actions| world.shut_at_once(conn, side, how, actions))),
        };
        let way = way.unwrap_or_else(|| self.shared().act(|world, actions| world.shut(conn, side, how, actions)));
        if !matches!(how, Shutdown::Read | Shutdown::Write) {
            links.closed(side);
        }
        if way != Way::Direct {
            links.leave(side);
        }
        let reset = match (way, lanes) {
            (Way::Lane, Some(io)) => {
                let how = io.leave(link, how);
                self.shared().step(|world, now, actions| world.left(links.conn, side, how, now, actions));
                matches!(how, Shutdown::Reset | Shutdown::Abort)
            }
            (Way::Done, _) => false,
            (Way::Direct | Way::Lane, _) => self.inner.shutdown(link, how),
        };
        if how != Shutdown::Read && (lanes.is_none() || self.inner.is_rendezvous()) {
            let offers = links.take_offers(side);
            offers.iter().for_each(|offer| offer.letter.wake());
            self.drop_offers(offers);
        }
        reset
    }
}

impl<E: Engine + fmt::Debug> fmt::Debug for Faulty<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Faulty").field(&self.inner).finish()
    }
}

impl<E: Engine> fmt::Debug for FaultyLink<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyLink({}, {})", self.links.conn, self.side)
    }
}
