//! Why an operation failed: the causes that backends return and errors carry.

use core::fmt;

use crate::addr::name::ErrorText;
use crate::addr::{AddrError, AddrReason};
use crate::error::kind::ErrorKind;
use crate::error::registry::RegistryError;

// The derive names `std::error::Error` by a relative path if anything else in the build turns on its `std` feature.
#[cfg(not(feature = "std"))]
#[allow(unused_imports, reason = "used only then")]
mod std {
    pub(super) use core::*;
}

/// Why an operation failed, without the addresses: an [`Engine`](crate::Engine) returns it, and an
/// [`Error`](crate::Error) carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror_no_std::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The network was closed, or its backend failed.
    #[error("network is down")]
    NetworkDown,
    /// The local host was closed.
    #[error("host is down")]
    HostDown,
    /// The local listener or connection was closed.
    #[error("socket is down")]
    SocketDown,
    /// Another socket of the host has the port.
    #[error("address already in use")]
    AddrInUse,
    /// The address to listen on names another host.
    #[error("cannot listen on requested address")]
    AddrNotAvailable,
    /// No listener is open at the address, or it was closed before it accepted.
    #[error("connection refused")]
    ConnectionRefused,
    /// The peer aborted the connection.
    #[error("connection reset")]
    ConnectionReset,
    /// The peer no longer reads, or this end has shut down writing.
    #[error("broken pipe")]
    BrokenPipe,
    /// The operation reached its timeout.
    #[error("timed out")]
    TimedOut,
    /// The operation would have to wait.
    #[error("would block")]
    WouldBlock,
    /// The network has no host of that name.
    #[error("no such host")]
    NoSuchHost,
    /// The network has a host of that name, open or closed.
    #[error("host already registered")]
    HostExists,
    /// There is no open host whose closing could close the network.
    #[error("no open host")]
    NoOpenHost,
    /// The registry was closed.
    #[error("registry is down")]
    RegistryDown,
    /// A value is invalid.
    #[error("invalid {0}")]
    Invalid(InvalidInput),
    /// A table, pool or queue has no room left.
    #[error("{0} is full ({1})")]
    Full(Resource, u32),
    /// The port table of this host, which is not the caller's, has no room left.
    #[error("port table of {0:?} is full ({1})")]
    PeerFull(ErrorText, u16),
    /// The address is malformed, or names a host that is not here.
    #[error("{0}")]
    Addr(AddrError),
    /// The registry failed.
    #[error("{0}")]
    Registry(RegistryError),
    /// The backend failed, with a text of its own.
    #[error("{0}")]
    Backend(ErrorText),
}

impl Cause {
    /// A failure specific to a backend, described by what `value` prints (cut at 63 bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// let cause = virtnet::Cause::backend(&"cable unplugged");
    /// assert_eq!(cause.to_string(), "cable unplugged");
    /// ```
    #[must_use]
    pub fn backend(value: &dyn fmt::Display) -> Self {
        Self::Backend(ErrorText::display(value))
    }

    /// The kind of this cause.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NetworkDown => ErrorKind::NetworkDown,
            Self::HostDown => ErrorKind::HostDown,
            Self::SocketDown => ErrorKind::SocketDown,
            Self::AddrInUse => ErrorKind::AddrInUse,
            Self::AddrNotAvailable => ErrorKind::AddrNotAvailable,
            Self::ConnectionRefused => ErrorKind::ConnectionRefused,
            Self::ConnectionReset => ErrorKind::ConnectionReset,
            Self::BrokenPipe => ErrorKind::BrokenPipe,
            Self::TimedOut => ErrorKind::TimedOut,
            Self::WouldBlock => ErrorKind::WouldBlock,
            Self::NoSuchHost => ErrorKind::NoSuchHost,
            Self::HostExists => ErrorKind::HostExists,
            Self::NoOpenHost => ErrorKind::NoOpenHost,
            Self::RegistryDown => ErrorKind::RegistryDown,
            Self::Invalid(_) => ErrorKind::InvalidInput,
            Self::Full(Resource::Backlog, _) => ErrorKind::BacklogFull,
            Self::Full(..) | Self::PeerFull(..) => ErrorKind::Full,
            Self::Addr(AddrError { reason: AddrReason::NoSuchHost, .. }) => ErrorKind::NoSuchHost,
            Self::Addr(_) => ErrorKind::InvalidInput,
            Self::Registry(error) => error.kind(),
            Self::Backend(_) => ErrorKind::Backend,
        }
    }
}

impl From<AddrError> for Cause {
    fn from(error: AddrError) -> Self {
        Self::Addr(error)
    }
}

impl From<RegistryError> for Cause {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

/// The inputs that can be invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidInput {
    /// A host's name: 1 to 63 bytes without brackets and control characters.
    HostName,
    /// A network's full name: 1 to 31 bytes without brackets and control characters.
    NetworkName,
    /// The size of a connection's buffers: at least 1 byte.
    BufferSize,
    /// A timeout: more than zero.
    Timeout,
}

impl InvalidInput {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::HostName => "host name",
            Self::NetworkName => "network name",
            Self::BufferSize => "buffer size",
            Self::Timeout => "timeout",
        }
    }
}

impl fmt::Display for InvalidInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// The tables, pools and queues that can be full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resource {
    /// The hosts of a network.
    Hosts,
    /// The sockets of a fixed network, or the ports of a host.
    Ports,
    /// The connections of a fixed network.
    Pipes,
    /// The dials that are queued at a listener.
    Backlog,
}

impl Resource {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Hosts => "host table",
            Self::Ports => "port table",
            Self::Pipes => "pipe pool",
            Self::Backlog => "backlog",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
