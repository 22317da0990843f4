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

/// The causes without data, passed to the macro `$then`: the doc of each, its variant of [`Cause`], and the text that it
/// prints. Its kind is the [`ErrorKind`] of the same name. No other place lists them.
macro_rules! plain_causes {
    ($then:ident) => {
        $then! {
            /// The network was closed, or its backend failed.
            NetworkDown = "network is down",
            /// The local host was closed.
            HostDown = "host is down",
            /// The local listener or connection was closed.
            SocketDown = "socket is down",
            /// Another socket of the host has the port.
            AddrInUse = "address already in use",
            /// The address to listen on names another host.
            AddrNotAvailable = "cannot listen on requested address",
            /// No listener is open at the address, or it was closed before it accepted.
            ConnectionRefused = "connection refused",
            /// The peer aborted the connection.
            ConnectionReset = "connection reset",
            /// The peer no longer reads, or this end has shut down writing.
            BrokenPipe = "broken pipe",
            /// The operation reached its timeout.
            TimedOut = "timed out",
            /// The operation would have to wait.
            WouldBlock = "would block",
            /// The network has no host of that name.
            NoSuchHost = "no such host",
            /// The network has a host of that name, open or closed.
            HostExists = "host already registered",
            /// There is no open host whose closing could close the network.
            NoOpenHost = "no open host",
            /// The registry was closed.
            RegistryDown = "registry is down",
        }
    };
}
#[allow(unused_imports, reason = "only `defmt` and a test import it")]
pub(crate) use plain_causes;

macro_rules! define_cause {
    ($($(#[$doc:meta])* $plain:ident = $text:literal,)*) => {
        /// Why an operation failed, without the addresses: an [`Engine`](crate::Engine) returns it, and an
        /// [`Error`](crate::Error) carries it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror_no_std::Error)]
        #[non_exhaustive]
        pub enum Cause {
            $(
                $(#[$doc])*
                #[error($text)]
                $plain,
            )*
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
            /// The kind of this cause.
            #[must_use]
            pub fn kind(&self) -> ErrorKind {
                match self {
                    $(Self::$plain => ErrorKind::$plain,)*
                    Self::Invalid(_) => ErrorKind::InvalidInput,
                    Self::Full(Resource::Backlog, _) => ErrorKind::BacklogFull,
                    Self::Full(..) | Self::PeerFull(..) => ErrorKind::Full,
                    Self::Addr(AddrError { reason: AddrReason::NoSuchHost, .. }) => ErrorKind::NoSuchHost,
                    Self::Addr(_) => ErrorKind::InvalidInput,
                    Self::Registry(error) => error.kind(),
                    Self::Backend(_) => ErrorKind::Backend,
                }
            }

            /// The cause without data that has this kind.
            pub(crate) fn plain(kind: ErrorKind) -> Option<Self> {
                match kind {
                    $(ErrorKind::$plain => Some(Self::$plain),)*
                    _ => None,
                }
            }
        }
    };
}

plain_causes!(define_cause);

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
    /// The pairs of hosts and the connections of fixed faults.
    #[cfg(feature = "sim")]
    Faults,
}

impl Resource {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Hosts => "host table",
            Self::Ports => "port table",
            Self::Pipes => "pipe pool",
            Self::Backlog => "backlog",
            #[cfg(feature = "sim")]
            Self::Faults => "fault table",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
