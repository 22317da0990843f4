//! Where a subnetwork keeps its hosts and sockets: fixed-size or growable tables.

#[cfg(feature = "alloc")]
mod bitmap;
mod fixed;
#[cfg(feature = "alloc")]
mod hash;
#[cfg(feature = "alloc")]
mod heap;
#[cfg(feature = "alloc")]
mod list;
#[cfg(feature = "alloc")]
mod pairs;
mod queue;
mod row;
#[cfg(feature = "alloc")]
mod sockets;
mod tables;

pub use fixed::{Fixed, FixedMemory};
#[cfg(feature = "alloc")]
pub use heap::Heap;
pub(crate) use queue::{
    Delivery, acknowledge, drop_request, enqueue, failed_link, first_link, next_delivery, queue, refuse_next,
};
pub(crate) use row::{MaybeBoxed, Peer, PortHold, Queue, Request, RequestPhase, Socket, SocketLayout, State, U24};
pub(crate) use tables::{
    Bind, Closed, Closing, Death, Directory, HostFlags, Hosts, NetworkState, Ports, Renewable, Tables,
};

/// The number that stands for no slot. A host always has fewer sockets than this.
pub(crate) const NIL: u32 = 0x00ff_ffff;

#[cfg(all(test, feature = "alloc"))]
mod tests;
