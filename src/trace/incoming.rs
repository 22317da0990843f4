//! Connections that a traced engine accepts in the background.
//!
//! An engine that is given its notifier by [`Engine::start`](crate::Engine::start) hands connections over outside of any
//! dial, so nothing but their addresses tells which dial they are of. If one of this subnetwork is under way from the same
//! source to the same destination, it is that one: a source port is one dial's at a time. Else the connection comes from
//! another subnetwork, and gets a number that no dial here has.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::Future;

use crate::addr::Addr;
use crate::contract::notifier::Notifier;
use crate::contract::observe::{ELSEWHERE, Observer, RawEvent};
use crate::error::cause::Cause;
use crate::sync::Lock;
use crate::trace::far::{FarAccept, TracedLink};

/// What tells the connections from outside apart.
pub(super) struct Incoming(Lock<Numbers>);

#[derive(Default)]
struct Numbers {
    /// How many came from elsewhere.
    elsewhere: u32,
    /// The dials that are under way, with the numbers of their connections.
    dials: Vec<(u32, Addr, Addr)>,
}

impl Default for Incoming {
    fn default() -> Self {
        Self(Lock::new(Numbers::default()))
    }
}

impl Incoming {
    /// A dial is under way until this is dropped.
    pub(super) fn dials(&self, conn: u32, src: &Addr, dst: &Addr) -> UnderWay<'_> {
        self.0.with(|numbers| numbers.dials.push((conn, *src, *dst)));
        UnderWay { incoming: self, conn }
    }

    /// The number of a connection, and whether it comes from elsewhere.
    fn number(&self, src: &Addr, dst: &Addr) -> (u32, bool) {
        self.0.with(|numbers| {
            if let Some((conn, ..)) = numbers.dials.iter().find(|(_, from, to)| (from, to) == (src, dst)) {
                return (*conn, false);
            }
            numbers.elsewhere = (numbers.elsewhere + 1) % ELSEWHERE;
            (ELSEWHERE + numbers.elsewhere, true)
        })
    }
}

/// A dial under way.
pub(super) struct UnderWay<'a> {
    incoming: &'a Incoming,
    conn: u32,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.incoming.0.with(|numbers| numbers.dials.retain(|(conn, ..)| *conn != self.conn));
    }
}

/// The notifier of a traced engine for the background: it gives each connection its number.
pub(super) struct FromOutside<N, O> {
    notifier: N,
    observer: O,
    incoming: Arc<Incoming>,
}

impl<N, O: Observer> FromOutside<N, O> {
    pub(super) fn new(notifier: N, observer: O, incoming: Arc<Incoming>) -> Self {
        Self { notifier, observer, incoming }
    }

    /// The number of the accepted end.
    fn end(&self, src: &Addr, dst: &Addr) -> u32 {
        let (conn, is_new) = self.incoming.number(src, dst);
        if is_new {
            self.observer.now(&RawEvent::Opened { conn, src, dst });
        }
        2 * conn + 1
    }
}

impl<N, L, O> Notifier for FromOutside<N, O>
where
    N: Notifier<Link = TracedLink<L>>,
    L: Clone + Send + Sync,
    O: Observer + Clone,
{
    type Link = L;
    type Accept = FarAccept<N::Accept, O>;

    fn accept(&self, src: &Addr, dst: &Addr, link: L) -> impl Future<Output = Result<Self::Accept, Cause>> + Send {
        let (end, observer) = (self.end(src, dst), self.observer.clone());
        let pending = self.notifier.accept(src, dst, TracedLink { link, end, acknowledged: true });
        async move { Ok(FarAccept { accept: pending.await?, observer, end, src: *src, dst: *dst }) }
    }

    fn connect(&self, src: &Addr, dst: &Addr, link: L) -> impl Future<Output = Result<Addr, Cause>> + Send {
        let end = self.end(src, dst);
        self.notifier.connect(src, dst, TracedLink { link, end, acknowledged: false })
    }

    fn down(&self, cause: Cause) -> impl Future<Output = ()> + Send {
        self.notifier.down(cause)
    }
}
