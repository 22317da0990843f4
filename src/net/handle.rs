//! References to the subnetwork of a growable backend, with layers around its engine.

use alloc::sync::{Arc, Weak};
use core::fmt;
use core::ops::Deref;

use crate::contract::engine::Engine;
use crate::contract::layer::{Bare, Layer};
use crate::contract::registry::Registry;
use crate::net::shared::{Holder, Sealed};
use crate::net::subnet::SubNetwork;
use crate::table::Heap;

/// The parts of a growable backend.
pub trait Backend: 'static {
    /// Its engine, without layers.
    type Engine: Engine + 'static;
    /// Its registry, in a network whose links are `Link`s: a layer may have links of its own.
    type Registry<Link: Clone + Send + Sync + 'static>: Registry<Data = <Self::Engine as Engine>::Data> + 'static;
}

/// The engine of the backend `B` within the layers `L`.
pub(crate) type LayeredEngine<B, L> = <L as Layer>::Engine<<B as Backend>::Engine>;
/// The links of the backend `B` within the layers `L`.
pub(crate) type LayeredLink<B, L> = <LayeredEngine<B, L> as Engine>::Link;
/// The subnetwork of the backend `B` within the layers `L`.
pub(crate) type LayeredNet<B, L> =
    SubNetwork<LayeredEngine<B, L>, <B as Backend>::Registry<LayeredLink<B, L>>, Heap<LayeredLink<B, L>>>;

/// A reference to a subnetwork, held by hosts, listeners and connections of a growable network: of the backend `B`, with
/// the layers `L`. The subnetwork lives as long as one of them.
///
/// Clones share a count, and each host that is asked for by name has a count of its own, so that threads that use
/// different hosts do not contend.
#[allow(clippy::redundant_allocation, reason = "there are two counts: of this host's handles, and of the network's")]
pub struct NetHandle<B: Backend, L: Layer = Bare>(Arc<Arc<LayeredNet<B, L>>>);

impl<B: Backend, L: Layer> NetHandle<B, L> {
    /// The first reference to a subnetwork.
    #[must_use]
    pub fn new(net: LayeredNet<B, L>) -> Self {
        Self(Arc::new(net.shared()))
    }

    /// A reference that does not keep the subnetwork alive, such as a [`Notifier`](crate::Notifier) for other threads.
    #[must_use]
    pub fn downgrade(&self) -> Weak<LayeredNet<B, L>> {
        Arc::downgrade(&self.0)
    }
}

impl<B: Backend, L: Layer> Holder for NetHandle<B, L> {
    type Engine = LayeredEngine<B, L>;
    type Registry = B::Registry<LayeredLink<B, L>>;
    type Tables = Heap<LayeredLink<B, L>>;
    type Ref<'n>
        = Self
    where
        Self: 'n;

    fn subnetwork(&self) -> &LayeredNet<B, L> {
        self
    }

    fn host_ref(&self) -> Self {
        Self(Arc::new(Arc::clone(&self.0)))
    }
}

impl<B: Backend, L: Layer> Clone for NetHandle<B, L> {
    #[inline]
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B: Backend, L: Layer> Deref for NetHandle<B, L> {
    type Target = LayeredNet<B, L>;

    #[inline]
    fn deref(&self) -> &LayeredNet<B, L> {
        &self.0
    }
}

impl<B: Backend, L: Layer> fmt::Debug for NetHandle<B, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<B: Backend, L: Layer> Sealed for NetHandle<B, L> {}
