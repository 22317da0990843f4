//! The operating system's TCP as a [`Networker`](crate::Networker), for threads and for tokio.

use std::io;
use std::net::SocketAddr;
use std::string::ToString;

use crate::addr::name::{HostName, NetworkName};
use crate::addr::to_addr::ToAddr;
use crate::addr::{Addr, AddrError};
use crate::error::cause::Cause;

mod thread;
#[cfg(feature = "tokio")]
mod tokio;

pub use thread::{Tcp, TcpConn, TcpListener};
#[cfg(feature = "tokio")]
pub use tokio::{TokioTcp, TokioTcpListener, TokioTcpStream};

const NETWORK: &str = "tcp";

/// Resolves an address at the access point `name`: an empty host is the access point itself.
fn os_resolve(addr: &impl ToAddr, name: HostName) -> Result<Addr, AddrError> {
    let mut addr = addr.to_addr()?;
    addr.network = NetworkName::cut(NETWORK).0;
    if addr.host.is_empty() {
        addr.host = name;
    }
    Ok(addr)
}

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
        io::ErrorKind::ConnectionReset => Cause::ConnectionReset,
        io::ErrorKind::BrokenPipe => Cause::BrokenPipe,
        io::ErrorKind::TimedOut => Cause::TimedOut,
        io::ErrorKind::WouldBlock => Cause::WouldBlock,
        io::ErrorKind::NotConnected => Cause::SocketDown,
        _ => Cause::backend(&error),
    }
}
