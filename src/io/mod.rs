//! How connections are read and written: adapters to the traits of others.

#[cfg(feature = "edge-nal")]
mod edge_nal;
mod embedded_io;
#[cfg(feature = "embedded-io-async")]
mod embedded_io_async;
#[cfg(feature = "embedded-nal-async")]
mod embedded_nal_async;
#[cfg(any(feature = "edge-nal", feature = "embedded-nal-async"))]
mod ip;
#[cfg(feature = "std")]
mod std_io;
#[cfg(feature = "std")]
mod tcp;
#[cfg(feature = "std")]
pub(crate) mod vectored;

#[cfg(feature = "tokio")]
pub(crate) use tcp::{NETWORK, os_addr, os_cause, os_resolve};
#[cfg(feature = "std")]
pub use tcp::{Tcp, TcpConn, TcpListener};
