//! The kinds of failure, to match on, and what they are to others.

/// What kind of failure an error is, to match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ErrorKind {
    /// The network was closed, or its backend failed.
    NetworkDown,
    /// The own host was closed.
    HostDown,
    /// The own listener or connection was closed.
    SocketDown,
    /// Somebody on the host has the port.
    AddrInUse,
    /// The address to listen on names another host.
    AddrNotAvailable,
    /// Nobody listens there, or no longer.
    ConnectionRefused,
    /// The peer aborted the connection.
    ConnectionReset,
    /// The peer does not read any more, or the own side has shut down writing.
    BrokenPipe,
    /// The time given to the operation is over.
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
    /// As many dials wait at the listener as it lets wait.
    BacklogFull,
    /// The backend or registry failed, in its own words.
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
