//! The core's side of [`Notifier`].

#[cfg(feature = "alloc")]
use alloc::sync::{Arc, Weak};
use core::future::Future;

use crate::addr::Addr;
use crate::contract::engine::{Engine, Shutdown};
use crate::contract::notifier::Notifier;
use crate::contract::registry::Registry;
use crate::error::cause::Cause;
use crate::net::host::Host;
use crate::net::net_ref::{LinkOf, NetRef};
use crate::net::request::{ClaimedRequest, Handover, QueuedRequest};
use crate::net::subnet::SubNetwork;
use crate::table::RequestPhase;
use crate::table::Tables;
#[cfg(feature = "alloc")]
use crate::wait::block::touch;

/// Hands over connections to a subnetwork; see [`Notifier`].
#[derive(Clone, Debug)]
pub struct SubNetworkNotifier<N>(pub(crate) N);

impl<E, R, T> SubNetwork<E, R, T>
where
    E: Engine,
    R: Registry<Data = E::Data>,
    T: Tables<Link = E::Link>,
{
    /// The notifier with which a backend hands over connections and reports failures.
    pub fn notifier(&self) -> SubNetworkNotifier<&Self> {
        SubNetworkNotifier(self)
    }
}

#[cfg(feature = "alloc")]
impl<E, R, T> SubNetwork<E, R, T>
where
    E: Engine + 'static,
    R: Registry<Data = E::Data> + 'static,
    T: Tables<Link = E::Link> + 'static,
{
    /// Shares the subnetwork, and [starts](Engine::start) its engine.
    #[must_use]
    pub fn shared(self) -> Arc<Self> {
        touch(self.clock());
        let net = Arc::new(self);
        net.clock().attach(|| -> Weak<Self> { Arc::downgrade(&net) });
        if E::OBSERVED {
            let picture: Weak<Self> = Arc::downgrade(&net);
            net.engine.attach(net.network_name(), picture);
        }
        net.engine.start(|| Arc::downgrade(&net));
        net
    }
}

impl<N: NetRef> Notifier for SubNetworkNotifier<N> {
    type Link = LinkOf<N>;
    type Accept = ClaimedRequest<N>;

    fn accept(
        &self,
        src: &Addr,
        dst: &Addr,
        link: Self::Link,
    ) -> impl Future<Output = Result<Self::Accept, Cause>> + Send {
        let pending = QueuedRequest::enqueue(self.0.clone(), src, dst, link, RequestPhase::Queued);
        async move { Ok(ClaimedRequest::new(pending?.claimed().await?)) }
    }

    fn connect(&self, src: &Addr, dst: &Addr, link: Self::Link) -> impl Future<Output = Result<Addr, Cause>> + Send {
        Handover(QueuedRequest::enqueue(self.0.clone(), src, dst, link, RequestPhase::Direct))
    }

    fn down(&self, cause: Cause) -> impl Future<Output = ()> + Send {
        down(self.0.clone(), cause)
    }
}

/// The notifier of a host's dial.
pub(super) struct DialNotifier<'a, N: NetRef>(pub(super) &'a Host<N>);

impl<'a, N: NetRef> Notifier for DialNotifier<'a, N> {
    type Link = LinkOf<N>;
    type Accept = ClaimedRequest<&'a N::Target>;

    fn accept(
        &self,
        src: &Addr,
        dst: &Addr,
        link: Self::Link,
    ) -> impl Future<Output = Result<Self::Accept, Cause>> + Send {
        let pending = QueuedRequest::enqueue(&*self.0.net, src, dst, link, RequestPhase::Queued);
        async move { Ok(ClaimedRequest::new(pending?.claimed().await?)) }
    }

    fn connect(&self, src: &Addr, dst: &Addr, link: Self::Link) -> impl Future<Output = Result<Addr, Cause>> + Send {
        Handover(QueuedRequest::enqueue(&*self.0.net, src, dst, link, RequestPhase::Direct))
    }

    fn down(&self, cause: Cause) -> impl Future<Output = ()> + Send {
        down(&*self.0.net, cause)
    }

    fn ending(&self) -> Shutdown {
        self.0.ending()
    }
}

/// Takes the network down at once, before the first poll. The future then closes the backend.
fn down<N: NetRef>(net: N, cause: Cause) -> impl Future<Output = ()> + Send + use<N> {
    let was_up = net.take_down(Some(cause));
    async move {
        if was_up {
            net.close_backend().await;
        }
    }
}

#[cfg(feature = "alloc")]
impl<E, R, T> Notifier for Weak<SubNetwork<E, R, T>>
where
    E: Engine,
    R: Registry<Data = E::Data>,
    T: Tables<Link = E::Link>,
{
    type Link = E::Link;
    type Accept = ClaimedRequest<Arc<SubNetwork<E, R, T>>>;

    fn accept(
        &self,
        src: &Addr,
        dst: &Addr,
        link: E::Link,
    ) -> impl Future<Output = Result<Self::Accept, Cause>> + Send {
        let pending = self.upgrade().map(|net| QueuedRequest::enqueue(net, src, dst, link, RequestPhase::Queued));
        async move { Ok(ClaimedRequest::new(pending.ok_or(Cause::NetworkDown)??.claimed().await?)) }
    }

    fn connect(&self, src: &Addr, dst: &Addr, link: E::Link) -> impl Future<Output = Result<Addr, Cause>> + Send {
        let net = self.upgrade().ok_or(Cause::NetworkDown);
        Handover(net.and_then(|net| QueuedRequest::enqueue(net, src, dst, link, RequestPhase::Direct)))
    }

    fn down(&self, cause: Cause) -> impl Future<Output = ()> + Send {
        let closing = self.upgrade().map(|net| down(net, cause));
        async move {
            if let Some(closing) = closing {
                closing.await;
            }
        }
    }
}
