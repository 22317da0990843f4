//! Sockets of the operating system for networks of several processes: the reactor, links, and handshakes.

#[cfg(feature = "lonet")]
mod events;
#[cfg(feature = "lonet")]
mod handshake;
#[cfg(feature = "lonet")]
mod line;
pub(crate) mod link;
#[cfg(feature = "lonet")]
pub(crate) mod listening;
#[cfg(loom)]
pub mod model;
#[cfg(feature = "lonet")]
mod own;
#[cfg(feature = "lonet")]
mod quote;
#[cfg(feature = "lonet")]
pub(crate) mod reactor;
pub(crate) mod ready;
#[cfg(feature = "lonet")]
mod room;
pub(crate) mod roster;
#[cfg(feature = "lonet")]
mod socket;
#[cfg(feature = "lonet")]
pub(crate) mod sockets;
pub(crate) mod watched;
