//! How connections are read and written: adapters to the traits of others.

mod embedded_io;
#[cfg(feature = "std")]
mod std_io;
#[cfg(feature = "std")]
mod tcp;

#[cfg(feature = "tokio")]
pub(crate) use tcp::{NETWORK, os_addr, os_cause, os_resolve};
#[cfg(feature = "std")]
pub use tcp::{Tcp, TcpConn, TcpListener};
