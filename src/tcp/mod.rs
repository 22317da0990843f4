//! The operating system's TCP as a [`Networker`](crate::Networker), for threads and for tokio.

use std::io;
use std::net::SocketAddr;
use std::string::ToString;

use crate::addr::Addr;
use crate::addr::name::{HostName, NetworkName};
use crate::error::cause::Cause;

mod access;
mod thread;
#[cfg(feature = "tokio")]
mod tokio;

pub use thread::{Tcp, TcpConn, TcpListener};
#[cfg(feature = "tokio")]
pub use tokio::{TokioTcp, TokioTcpListener, TokioTcpStream};

const NETWORK: &str = "tcp";

/// Converts an address of the operating system to one of this crate.
fn os_addr(addr: SocketAddr) -> Addr {
    Addr { network: NetworkName::cut(NETWORK).0, host: HostName::cut(&addr.ip().to_string()).0, port: addr.port() }
}

/// Converts an error of the operating system to a cause of this crate.
fn os_cause(error: io::Error) -> Cause {
    match error.kind() {
        io::ErrorKind::AddrInUse => Cause::AddrInUse,
        io::ErrorKind::AddrNotAvailable => Cause::AddrNotAvailable,
        io::ErrorKind::ConnectionRefused => Cause::ConnectionRefused,
        // Of an accept whose client has left the queue.
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Cause::ConnectionReset,
        io::ErrorKind::BrokenPipe => Cause::BrokenPipe,
        io::ErrorKind::TimedOut => Cause::TimedOut,
        io::ErrorKind::WouldBlock => Cause::WouldBlock,
        io::ErrorKind::NotConnected => Cause::SocketDown,
        _ => Cause::backend(&error),
    }
}
