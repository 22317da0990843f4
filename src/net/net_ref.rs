//! References to a subnetwork, held by hosts, listeners and connections.

use core::ops::Deref;

use crate::contract::engine::Engine;
use crate::contract::registry::Registry;
use crate::net::subnet::SubNetwork;
use crate::table::Tables;

/// A cheap, cloneable reference to a [`SubNetwork`]: a `&'static` or other reference, or an `Arc`.
///
/// Hosts, listeners and connections hold one. Blanket-implemented for every type that meets its bounds. Its methods are
/// those of [`NetRefExt`](crate::NetRefExt).
pub trait NetRef: Clone + Send + Sync + Deref<Target = SubNetwork<Self::Engine, Self::Registry, Self::Tables>> {
    /// The subnetwork's engine.
    type Engine: Engine;
    /// The subnetwork's registry.
    type Registry: Registry<Data = <Self::Engine as Engine>::Data>;
    /// The subnetwork's tables.
    type Tables: Tables<Link = <Self::Engine as Engine>::Link>;
}

impl<N, E, R, T> NetRef for N
where
    N: Clone + Send + Sync + Deref<Target = SubNetwork<E, R, T>>,
    E: Engine,
    R: Registry<Data = E::Data>,
    T: Tables<Link = E::Link>,
{
    type Engine = E;
    type Registry = R;
    type Tables = T;
}

/// The link type of the engine behind `N`.
pub(crate) type LinkOf<N> = <<N as NetRef>::Engine as Engine>::Link;
/// The host reference of the tables behind `N`.
pub(crate) type HostOf<N> = <<N as NetRef>::Tables as Tables>::Host;
/// The slot of a socket in the tables behind `N`.
pub(crate) type SlotOf<N> = <<N as NetRef>::Tables as Tables>::Slot;
