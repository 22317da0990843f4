//! Adapters for tokio, and for what servers and clients on it plug into.

#[cfg(feature = "axum")]
mod axum;
mod io;
#[cfg(feature = "stream")]
mod stream;
#[cfg(feature = "tonic")]
mod tonic;
#[cfg(feature = "tower")]
mod tower;

#[cfg(feature = "stream")]
pub use stream::IncomingStream;
#[cfg(feature = "tower")]
pub use tower::{ConnInfo, Connecting, Connector};
