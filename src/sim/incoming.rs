//! Connections that an engine with faults accepts in the background.
//!
//! Their dials were made elsewhere, or through an engine that hands its own over like those. So the faults know the
//! accepted end alone, and delay what that sends.

use alloc::sync::Arc;
use core::future::Future;

use crate::addr::Addr;
use crate::contract::any_notifier::{AnyAccept, AnyNotifier};
use crate::contract::engine::Engine;
use crate::contract::notifier::Notifier;
use crate::error::cause::Cause;
use crate::sim::faulty::FaultyLink;
use crate::sim::letter::Outcome;
use crate::sim::links::Links;
use crate::sim::shared::Shared;

/// The notifier of an engine with faults for the background.
pub(super) struct FromOutside<E: Engine> {
    pub(super) notifier: AnyNotifier<FaultyLink<E>>,
    pub(super) engine: Arc<E>,
    pub(super) shared: Arc<Shared>,
}

impl<E: Engine + 'static> FromOutside<E> {
    /// The accepted end, which the faults know from now on.
    fn far(&self, src: &Addr, dst: &Addr, link: E::Link) -> FaultyLink<E> {
        let Self { engine, shared, .. } = self;
        let links = shared.step(|world, now, _| {
            let make = |conn| Arc::new(Links::new(engine.clone(), shared.clone(), conn));
            world.incoming([&src.host, &dst.host], now, make)
        });
        links.set(1, link.clone());
        // There is no dial here that waits for an answer.
        links.fate.settle(Outcome::Arrived);
        shared.act(|world, actions| {
            if world.open(links.conn, [false, true]) {
                world.follow_first(links.conn, actions);
            }
        });
        FaultyLink { link, links, side: 1 }
    }
}

impl<E: Engine + 'static> Notifier for FromOutside<E> {
    type Link = E::Link;
    type Accept = AnyAccept;

    fn accept(&self, src: &Addr, dst: &Addr, link: E::Link) -> impl Future<Output = Result<AnyAccept, Cause>> + Send {
        self.notifier.accept(src, dst, self.far(src, dst, link))
    }

    fn connect(&self, src: &Addr, dst: &Addr, link: E::Link) -> impl Future<Output = Result<Addr, Cause>> + Send {
        self.notifier.connect(src, dst, self.far(src, dst, link))
    }

    fn down(&self, cause: Cause) -> impl Future<Output = ()> + Send {
        self.notifier.down(cause)
    }
}
