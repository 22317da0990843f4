//! The objects that a program holds: subnetworks, hosts, listeners and connections, over any engine, registry and
//! tables.

mod clock;
pub(crate) mod conn;
pub(crate) mod conn_ref;
mod death;
pub(crate) mod dial;
mod dial_report;
pub(crate) mod half;
#[cfg(feature = "alloc")]
pub(crate) mod handle;
pub(crate) mod host;
#[cfg(feature = "alloc")]
pub(crate) mod idle;
mod ip;
pub(crate) mod listener;
pub(crate) mod net_ref;
pub(crate) mod network;
mod networker;
pub(crate) mod notifier;
pub(crate) mod request;
#[cfg(any(feature = "edge-nal", feature = "embedded-nal-async"))]
mod resolve;
pub(crate) mod shared;
pub(crate) mod socket_ref;
pub(crate) mod subnet;
