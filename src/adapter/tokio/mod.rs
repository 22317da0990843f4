//! Adapters for tokio, and for servers and clients that run on it.

#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "sim")]
mod clock;
mod io;
#[cfg(feature = "stream")]
mod stream;
#[cfg(feature = "tonic")]
mod tonic;
#[cfg(feature = "tower")]
mod tower;

#[cfg(feature = "axum")]
pub use axum::SocketAddrListener;
#[cfg(feature = "stream")]
pub use stream::IncomingStream;
#[cfg(feature = "tower")]
pub use tower::{ConnInfo, Connecting, Connector};
