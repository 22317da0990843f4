//! The clock of a network: timeouts are measured on it.

#[cfg(all(feature = "alloc", feature = "sim"))]
use core::future::Future as _;
#[cfg(all(feature = "alloc", feature = "sim"))]
use core::pin::pin;
#[cfg(all(feature = "alloc", feature = "sim"))]
use core::task::Context;

use crate::contract::engine::Engine;
use crate::contract::registry::Registry;
#[cfg(all(feature = "alloc", feature = "sim"))]
use crate::error::cause::Cause;
#[cfg(feature = "sim")]
use crate::net::shared::{Holder, Network};
use crate::net::subnet::SubNetwork;
use crate::table::Tables;
use crate::wait::NetClock;
#[cfg(feature = "sim")]
use crate::wait::clock::Clock;
#[cfg(all(feature = "alloc", feature = "sim"))]
use crate::wait::clock::member::Member;
#[cfg(all(feature = "alloc", feature = "sim"))]
use crate::wait::waker::noop_waker;

impl<E, R, T> SubNetwork<E, R, T>
where
    E: Engine,
    R: Registry<Data = E::Data>,
    T: Tables<Link = E::Link>,
{
    /// The clock of its engine.
    #[cfg(feature = "sim")]
    #[inline]
    pub(crate) fn clock(&self) -> NetClock<'_> {
        NetClock(self.engine.clock())
    }

    /// There is none.
    #[cfg(not(feature = "sim"))]
    #[inline]
    pub(crate) fn clock(&self) -> NetClock<'_> {
        NetClock::NONE
    }
}

#[cfg(feature = "sim")]
impl<B, S: Holder> Network<B, S> {
    /// The clock of the network, if it has one.
    #[must_use]
    pub fn clock(&self) -> Option<&Clock> {
        self.net.subnetwork().engine.clock()
    }
}

/// An automatic clock takes networks down in which nothing can happen any more.
#[cfg(all(feature = "alloc", feature = "sim"))]
impl<E, R, T> Member for SubNetwork<E, R, T>
where
    E: Engine,
    R: Registry<Data = E::Data>,
    T: Tables<Link = E::Link>,
{
    fn fail(&self, why: &'static str) {
        if self.take_down(Some(Cause::Backend(why.into()))) {
            let _ = pin!(self.close_backend()).poll(&mut Context::from_waker(noop_waker()));
        }
    }
}
