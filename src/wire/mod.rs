//! Sockets of the operating system for networks of several processes: the reactor, links, and handshakes. Fuzzing, and
//! models, have a part of it.

#[cfg(all(feature = "lonet", feature = "tokio"))]
mod driven;
#[cfg(feature = "lonet")]
mod events;
#[cfg(feature = "lonet")]
mod handshake;
#[cfg(any(feature = "lonet", feature = "testing"))]
pub(crate) mod line;
#[cfg(any(feature = "lonet", loom))]
pub(crate) mod link;
#[cfg(feature = "lonet")]
pub(crate) mod listening;
#[cfg(loom)]
pub mod model;
#[cfg(feature = "lonet")]
mod own;
#[cfg(feature = "lonet")]
mod porter;
#[cfg(any(feature = "lonet", feature = "testing"))]
mod quote;
#[cfg(feature = "lonet")]
pub(crate) mod reactor;
#[cfg(any(feature = "lonet", loom))]
pub(crate) mod ready;
#[cfg(feature = "lonet")]
mod room;
#[cfg(any(feature = "lonet", loom))]
pub(crate) mod roster;
#[cfg(feature = "lonet")]
mod socket;
#[cfg(feature = "lonet")]
pub(crate) mod sockets;
#[cfg(any(feature = "lonet", loom))]
pub(crate) mod swept;
#[cfg(all(feature = "lonet", not(feature = "tokio")))]
mod undriven;
#[cfg(any(feature = "lonet", loom))]
pub(crate) mod watched;

#[cfg(all(feature = "lonet", feature = "tokio"))]
use driven::{Driven, learn};
#[cfg(all(feature = "lonet", not(feature = "tokio")))]
use undriven::{Driven, learn};
