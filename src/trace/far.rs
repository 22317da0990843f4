//! The ends of traced connections, and how the far ones get their numbers.

use core::future::Future;

use crate::addr::Addr;
use crate::contract::engine::Shutdown;
use crate::contract::notifier::{Accept, Notifier};
use crate::contract::observe::{CoreEvent, Observer, RawEvent, Ticket};
use crate::error::cause::Cause;

/// One end of a traced connection.
#[derive(Clone, Debug)]
pub struct TracedLink<L> {
    pub(super) link: L,
    /// Twice the number of the connection, and 1 more at the accepted end.
    pub(super) end: u32,
    /// Whether the backend's acknowledgement is the accept of this end: it comes before that of the listener.
    pub(super) acknowledged: bool,
}

/// A ticket that is out. It is given back unless its event is recorded, also by a panic of the inner engine.
pub(super) struct Open<'a, O: Observer> {
    observer: &'a O,
    ticket: Ticket,
}

impl<'a, O: Observer> Open<'a, O> {
    pub(super) fn draw(observer: &'a O) -> Self {
        Self { ticket: observer.ticket(), observer }
    }

    pub(super) fn record(self, event: &RawEvent<'_>) {
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
pub(super) struct Far<'a, N, O> {
    pub(super) notifier: &'a N,
    pub(super) observer: &'a O,
    pub(super) end: u32,
}

impl<'a, N, L, O> Notifier for Far<'a, N, O>
where
    N: Notifier<Link = TracedLink<L>>,
    L: Clone + Send + Sync,
    O: Observer,
{
    type Link = L;
    type Accept = FarAccept<N::Accept, &'a O>;

    fn accept(&self, src: &Addr, dst: &Addr, link: L) -> impl Future<Output = Result<Self::Accept, Cause>> + Send {
        let Self { notifier, observer, end } = *self;
        let pending = notifier.accept(src, dst, TracedLink { link, end, acknowledged: true });
        async move { Ok(FarAccept { accept: pending.await?, observer, end, src: *src, dst: *dst }) }
    }

    fn connect(&self, src: &Addr, dst: &Addr, link: L) -> impl Future<Output = Result<Addr, Cause>> + Send {
        self.notifier.connect(src, dst, TracedLink { link, end: self.end, acknowledged: false })
    }

    fn down(&self, cause: Cause) -> impl Future<Output = ()> + Send {
        self.notifier.down(cause)
    }

    fn ending(&self) -> Shutdown {
        self.notifier.ending()
    }
}

/// An accept by a traced engine in two phases: the acknowledgement answers the dial, so it is the accept.
pub(super) struct FarAccept<A, O> {
    pub(super) accept: A,
    pub(super) observer: O,
    pub(super) end: u32,
    pub(super) src: Addr,
    pub(super) dst: Addr,
}

impl<A: Accept, O: Observer> Accept for FarAccept<A, O> {
    fn local_addr(&self) -> Addr {
        self.accept.local_addr()
    }

    fn acknowledge(self) -> Result<(), Cause> {
        let Self { accept, observer, end, src, dst } = self;
        let local = accept.local_addr();
        let open = Open::draw(&observer);
        accept.acknowledge()?;
        let accepted = CoreEvent::Accepted { listener: &dst, local: &local, peer: &src };
        open.record(&RawEvent::Core(&accepted, Some(end)));
        Ok(())
    }

    fn refuse(self) {
        self.accept.refuse();
    }
}
