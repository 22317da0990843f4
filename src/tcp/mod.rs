//! The operating system's TCP as a [`Networker`](crate::Networker), for threads and for tokio.

mod thread;
#[cfg(feature = "tokio")]
mod tokio;

pub use thread::{Tcp, TcpConn, TcpListener};
#[cfg(feature = "tokio")]
pub use tokio::{TokioTcp, TokioTcpListener, TokioTcpStream};
