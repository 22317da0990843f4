//! The kinds of failure, to match on, and their counterparts in `std::io` and embedded-io.

/// The kind of failure, to match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ErrorKind {
    /// The network was closed, or its backend failed.
    NetworkDown,
    /// The local host was closed.
    HostDown,
    /// The local listener or connection was closed.
    SocketDown,
    /// Another socket of the host has the port.
    AddrInUse,
    /// The address to listen on names another host.
    AddrNotAvailable,
    /// No listener is open at the address, or it was closed before it accepted.
    ConnectionRefused,
    /// The peer aborted the connection.
    ConnectionReset,
    /// The peer no longer reads, or this end has shut down writing.
    BrokenPipe,
    /// The operation reached its timeout.
    TimedOut,
    /// The operation would have to wait.
    WouldBlock,
    /// The network has no host of that name.
    NoSuchHost,
    /// The network has a host of that name, open or closed.
    HostExists,
    /// There is no open host whose closing could close the network.
    NoOpenHost,
    /// The registry was closed.
    RegistryDown,
    /// An address, a name or another value is invalid.
    InvalidInput,
    /// A table or pool has no room left.
    Full,
    /// The listener's backlog has no room for another dial.
    BacklogFull,
    /// The backend or registry failed, with a text of its own.
    Backend,
}

impl From<ErrorKind> for embedded_io::ErrorKind {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::NetworkDown | ErrorKind::HostDown | ErrorKind::SocketDown | ErrorKind::RegistryDown => {
                Self::NotConnected
            }
            ErrorKind::AddrInUse => Self::AddrInUse,
            ErrorKind::AddrNotAvailable => Self::AddrNotAvailable,
            ErrorKind::ConnectionRefused | ErrorKind::BacklogFull => Self::ConnectionRefused,
            ErrorKind::ConnectionReset => Self::ConnectionReset,
            ErrorKind::BrokenPipe => Self::BrokenPipe,
            ErrorKind::TimedOut => Self::TimedOut,
            ErrorKind::NoSuchHost | ErrorKind::NoOpenHost => Self::NotFound,
            ErrorKind::HostExists => Self::AlreadyExists,
            ErrorKind::InvalidInput => Self::InvalidInput,
            ErrorKind::Full => Self::OutOfMemory,
            ErrorKind::WouldBlock | ErrorKind::Backend => Self::Other,
        }
    }
}

#[cfg(feature = "std")]
impl From<ErrorKind> for ::std::io::ErrorKind {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::NetworkDown => Self::NetworkDown,
            ErrorKind::HostDown => Self::HostUnreachable,
            ErrorKind::SocketDown | ErrorKind::RegistryDown => Self::NotConnected,
            ErrorKind::AddrInUse => Self::AddrInUse,
            ErrorKind::AddrNotAvailable => Self::AddrNotAvailable,
            ErrorKind::ConnectionRefused | ErrorKind::BacklogFull => Self::ConnectionRefused,
            ErrorKind::ConnectionReset => Self::ConnectionReset,
            ErrorKind::BrokenPipe => Self::BrokenPipe,
            ErrorKind::TimedOut => Self::TimedOut,
            ErrorKind::WouldBlock => Self::WouldBlock,
            ErrorKind::NoSuchHost | ErrorKind::NoOpenHost => Self::NotFound,
            ErrorKind::HostExists => Self::AlreadyExists,
            ErrorKind::InvalidInput => Self::InvalidInput,
            ErrorKind::Full => Self::OutOfMemory,
            ErrorKind::Backend => Self::Other,
        }
    }
}
