//! The error of an operation.

use core::fmt;

use crate::addr::Addr;
use crate::addr::name::ErrorText;
use crate::addr::text::write_host_port;
use crate::error::cause::Cause;
use crate::error::kind::ErrorKind;
use crate::error::packed::PackedCause;
use crate::error::packed_strs::PackedStrs;

pub(crate) mod cause;
pub(crate) mod close;
pub(crate) mod hint;
pub(crate) mod kind;
pub(crate) mod packed;
pub(crate) mod packed_strs;
pub(crate) mod registry;
#[cfg(feature = "json")]
mod restored;

/// A failed operation: its network, its addresses, and the cause.
///
/// Prints `OPERATION NETWORK SOURCE->ADDR: CAUSE` without the parts that are not known, such as
/// `dial pipet b:1->a:1: connection refused` or `listen pipet a:5: address already in use`. Operations of a subnetwork
/// print as `virtnet "pipet": new host "a": network is down`.
///
/// The source of a read is the remote end, so the bytes flow from left to right.
///
/// `{:#}` and `Debug` also print the [hint](Error::hint), if there is one and the feature `alloc` is on.
///
/// An error is a small value without a heap: network, both hosts and the text of the cause share 78 bytes. Where they
/// do not fit, the longest are cut. A cut text prints with a trailing `…`, and its [`is_cut`](ErrorText::is_cut)
/// returns true.
///
/// Reads and writes of `std::io` return a `std::io::Error` that contains this error.
/// `error.downcast::<virtnet::Error>()` returns it, with a kind that is more precise.
///
/// A blocking `std::io` read, write or flush that reached its timeout has the kind that std's TCP has on the platform:
/// `WouldBlock` on Unix, `TimedOut` on Windows. The contained error is of the kind `TimedOut` on every platform.
///
/// # Kinds
///
/// | kind | cause prints | `std::io::ErrorKind` | `embedded_io::ErrorKind` |
/// |---|---|---|---|
/// | `NetworkDown` | network is down | `NetworkDown` | `NotConnected` |
/// | `HostDown` | host is down | `HostUnreachable` | `NotConnected` |
/// | `SocketDown` | socket is down | `NotConnected` | `NotConnected` |
/// | `AddrInUse` | address already in use | `AddrInUse` | `AddrInUse` |
/// | `AddrNotAvailable` | cannot listen on requested address | `AddrNotAvailable` | `AddrNotAvailable` |
/// | `ConnectionRefused` | connection refused | `ConnectionRefused` | `ConnectionRefused` |
/// | `ConnectionReset` | connection reset | `ConnectionReset` | `ConnectionReset` |
/// | `BrokenPipe` | broken pipe | `BrokenPipe` | `BrokenPipe` |
/// | `TimedOut` | timed out | `TimedOut`; of `std::io` reads and writes the platform's, see above | `TimedOut` |
/// | `WouldBlock` | would block | `WouldBlock` | `Other` |
/// | `NoSuchHost` | no such host; address b:1: no such host; ram(pipet): query ["b"]: no such host | `NotFound` | `NotFound` |
/// | `HostExists` | host already registered; ram(pipet): announce ["a" ""]: host already registered | `AlreadyExists` | `AlreadyExists` |
/// | `NoOpenHost` | no open host | `NotFound` | `NotFound` |
/// | `RegistryDown` | registry is down; ram(pipet): query ["b"]: registry is down | `NotConnected` | `NotConnected` |
/// | `InvalidInput` | address a:b: invalid port, …; invalid host name; invalid network name; invalid buffer size; invalid timeout | `InvalidInput` | `InvalidInput` |
/// | `Full` | host table is full (2); port table is full (4); port table of "a" is full (65535); pipe pool is full (2) | `OutOfMemory` | `OutOfMemory` |
/// | `BacklogFull` | backlog is full (4096) | `ConnectionRefused` | `ConnectionRefused` |
/// | `Backend` | the backend's own text, 63 bytes of it at most | `Other` | `Other` |
///
/// # Examples
///
/// ```
/// use virtnet::{ErrorKind, pipenet};
///
/// let net = pipenet::Network::new("t");
/// let b = net.host("b")?;
/// let error = b.dial("γ:1").wait().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NoSuchHost);
/// assert_eq!(error.to_string(), r#"dial pipet b:1->γ:1: ram(pipet): query ["γ"]: no such host"#);
/// let told = std::io::Error::from(error);
/// assert_eq!(told.kind(), std::io::ErrorKind::NotFound);
/// assert_eq!(told.downcast::<virtnet::Error>().unwrap(), error);
/// # Ok::<(), virtnet::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Error {
    /// Network, source host, host, and the text of the cause.
    words: PackedStrs<4, 78>,
    source_port: u16,
    port: u16,
    operation: Operation,
    cause: PackedCause,
}

impl Error {
    /// The error of an operation on `network`, from `source` to `addr` where these are known: for authors of a
    /// [`Networker`](crate::Networker). The source of a read is the remote
    /// end, as it is printed.
    ///
    /// # Examples
    ///
    /// ```
    /// use virtnet::{Addr, Cause, Error, Operation};
    ///
    /// let (source, addr) = (Addr::new("fuzz", "b", 1)?, Addr::new("fuzz", "a", 7)?);
    /// let error = Error::new(Operation::Dial, "fuzz", Some(source), Some(addr), Cause::ConnectionRefused);
    /// assert_eq!(error.to_string(), "dial fuzz b:1->a:7: connection refused");
    /// # Ok::<(), virtnet::AddrError>(())
    /// ```
    #[must_use]
    pub fn new(operation: Operation, network: &str, source: Option<Addr>, addr: Option<Addr>, cause: Cause) -> Self {
        let (code, text) = PackedCause::of(cause);
        let host = |addr: Option<Addr>| addr.map_or(ErrorText::EMPTY, |addr| addr.host().into());
        Self {
            words: PackedStrs::new([network.into(), host(source), host(addr), text]),
            source_port: source.map_or(0, |addr| addr.port),
            port: addr.map_or(0, |addr| addr.port),
            operation,
            cause: code,
        }
    }

    /// The error of an operation on a whole network, about `host` if it is not empty.
    pub(crate) fn subnet(operation: Operation, network: ErrorText, host: &ErrorText, cause: Cause) -> Self {
        let (code, text) = PackedCause::of(cause);
        Self {
            words: PackedStrs::new([network, ErrorText::EMPTY, *host, text]),
            source_port: 0,
            port: 0,
            operation,
            cause: code,
        }
    }

    /// The kind of failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.cause().kind()
    }

    /// Why the operation failed.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause.cause(self.words.get(3))
    }

    /// The operation that failed.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The full name of the network, cut where names and texts are long.
    #[must_use]
    pub fn network_name(&self) -> ErrorText {
        self.words.get(0)
    }

    /// Host and port that the operation came from, if known: the dialling side of a dial, the remote end of a read.
    ///
    /// Long names are cut: check the host's [`ErrorText::is_cut`] before you use it as a name.
    #[must_use]
    pub fn source_addr(&self) -> Option<(ErrorText, u16)> {
        Some((self.words.get(1), self.source_port)).filter(|(host, _)| !host.as_str().is_empty())
    }

    /// Host and port that the operation was about, if known: the dialled or listened address, the local end of a read.
    /// The port is 0 if the operation was about a host.
    ///
    /// Long names are cut: check the host's [`ErrorText::is_cut`] before you use it as a name.
    ///
    /// # Examples
    ///
    /// ```
    /// use virtnet::pipenet;
    ///
    /// let net = pipenet::Network::new("t");
    /// let (short, long) = (net.host("a")?, net.host(&"h".repeat(50))?);
    /// let failed = |host: &pipenet::Host, addr| host.dial(addr).wait().unwrap_err().addr();
    /// assert_eq!(failed(&short, ("a", 7)), Some(("a".into(), 7)));
    ///
    /// // Two names of 50 bytes do not fit: each is cut.
    /// let (host, port) = failed(&long, (&*long.name(), 7)).unwrap();
    /// assert_eq!((host.is_cut(), host.as_str(), port), (true, &*"h".repeat(36), 7));
    /// # Ok::<(), virtnet::Error>(())
    /// ```
    #[must_use]
    pub fn addr(&self) -> Option<(ErrorText, u16)> {
        Some((self.words.get(2), self.port)).filter(|(host, _)| !host.as_str().is_empty())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.operation {
            operation if operation.is_of_host() => {
                write!(f, "virtnet {:?}: {} {:?}", self.network_name(), self.operation, self.words.get(2))?;
            }
            Operation::NewNetwork | Operation::AutoClose => {
                write!(f, "virtnet {:?}: {}", self.network_name(), self.operation)?
            }
            _ => {
                write!(f, "{} {}", self.operation, self.network_name())?;
                let mut before = " ";
                for (host, port) in [self.source_addr(), self.addr()].into_iter().flatten() {
                    f.write_str(before)?;
                    write_host_port(f, host.as_str(), host.tail(), port)?;
                    before = "->";
                }
            }
        }
        write!(f, ": {}", self.cause())?;
        if HINTS_ARE_PRINTED && f.alternate() { self.write_hint(f) } else { Ok(()) }
    }
}

/// Printing hints would take flash in each firmware that prints errors.
const HINTS_ARE_PRINTED: bool = cfg!(feature = "alloc");

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {self:#})", self.kind())
    }
}

impl core::error::Error for Error {}

impl embedded_io::Error for Error {
    fn kind(&self) -> embedded_io::ErrorKind {
        Error::kind(self).into()
    }
}

#[cfg(feature = "std")]
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind().into(), error)
    }
}

/// The operations that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// [`Host::dial`](crate::Host::dial).
    Dial,
    /// [`Host::listen`](crate::Host::listen).
    Listen,
    /// [`Listener::accept`](crate::Listener::accept), and handing over a connection from a backend.
    Accept,
    /// Reading from a connection.
    Read,
    /// Writing to a connection.
    Write,
    /// Shutting down one direction of a connection.
    Shutdown,
    /// Making a network.
    NewNetwork,
    /// Making a host.
    NewHost,
    /// Requesting that the network closes with its last open host.
    AutoClose,
    /// Looking for a host by name or IP address.
    Resolve,
    /// Waiting until no socket is in use: [`Host::idle`](crate::Host::idle) and
    /// [`NetRefExt::idle`](crate::NetRefExt::idle).
    Idle,
    /// [`NetRefExt::crash`](crate::NetRefExt::crash).
    Crash,
    /// [`NetRefExt::power_off`](crate::NetRefExt::power_off).
    PowerOff,
    /// [`NetRefExt::restart`](crate::NetRefExt::restart).
    Restart,
}

impl Operation {
    /// Each of them.
    #[doc(hidden)]
    pub const ALL: [Self; 14] = [
        Self::Dial,
        Self::Listen,
        Self::Accept,
        Self::Read,
        Self::Write,
        Self::Shutdown,
        Self::NewNetwork,
        Self::NewHost,
        Self::AutoClose,
        Self::Resolve,
        Self::Idle,
        Self::Crash,
        Self::PowerOff,
        Self::Restart,
    ];

    /// Whether it is an operation of a network on a host, which its errors name.
    pub(crate) fn is_of_host(self) -> bool {
        matches!(self, Self::NewHost | Self::Resolve | Self::Crash | Self::PowerOff | Self::Restart)
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Dial => "dial",
            Self::Listen => "listen",
            Self::Accept => "accept",
            Self::Read => "read",
            Self::Write => "write",
            Self::Shutdown => "shutdown",
            Self::NewNetwork => "new network",
            Self::NewHost => "new host",
            Self::AutoClose => "auto close",
            Self::Resolve => "resolve",
            Self::Idle => "idle",
            Self::Crash => "crash",
            Self::PowerOff => "power off",
            Self::Restart => "restart",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::format;
    use std::string::{String, ToString};

    use super::*;
    use crate::addr::{AddrError, AddrReason};
    use crate::error::packed_strs::tests::{is_kept, texts};

    fn dial(network: &str, source: &str, addr: &str, cause: Cause) -> Error {
        let at = |host: &str| Some(Addr::new("", host, 1).expect("valid"));
        Error::new(Operation::Dial, network, at(source), at(addr), cause)
    }

    #[test]
    fn texts_are_kept_whole_where_they_fit() {
        let text = "t".repeat(63);
        let error = dial("pipet", "b", "γ", Cause::backend(&text));
        assert_eq!(error.to_string(), format!("dial pipet b:1->γ:1: {text}"));
        assert_eq!(error.cause(), Cause::backend(&text));
        let error = dial("pipet", "b", "γ", Cause::backend(&format!("{text}u")));
        assert_eq!(error.to_string(), format!("dial pipet b:1->γ:1: {text}…"));
        assert_eq!(error.cause(), Cause::backend(&format!("{text}u")));
    }

    #[test]
    fn the_longest_words_are_cut_evenly_where_not_all_fit() {
        let host = "h".repeat(63);
        let error = dial("pipet", &host, &host, Cause::TimedOut);
        let kept = "h".repeat(36);
        assert_eq!(error.to_string(), format!("dial pipet {kept}…:1->{kept}…:1: timed out"));
        let wide = "é".repeat(31);
        let error = dial("n", &wide, "b", Cause::backend(&wide));
        let kept = "é".repeat(19);
        assert_eq!(error.to_string(), format!("dial n {kept}…:1->b:1: {kept}…"));
    }

    #[test]
    fn a_text_that_ends_in_an_ellipsis_is_not_cut() {
        let cause = Cause::backend(&"and so on…");
        assert_eq!(dial("pipet", "b", "a", cause).cause(), cause);
        assert_eq!(dial("pipet", "b", "a", cause).to_string(), "dial pipet b:1->a:1: and so on…");
    }

    #[test]
    fn texts_of_an_error_are_whole_or_marked_as_cut() {
        for seed in 0..4_000 {
            let [network, source, host, text] = texts::<4>(seed);
            let cause = [Cause::backend(&text), Cause::Addr(AddrError::new(&text, AddrReason::MissingPort))];
            let cause = cause[seed as usize % 2];
            let error = Error::subnet(Operation::NewHost, network.as_str().into(), &host.as_str().into(), cause);
            is_kept(&error.network_name(), &network);
            error.addr().iter().for_each(|(kept, _)| is_kept(kept, &host));
            // The hosts of a dial have valid names.
            let [source, host] = [source, host].map(|name| format!("{}h", name.chars().take(15).collect::<String>()));
            let error = dial(&network, &source, &host, cause);
            is_kept(&error.network_name(), &network);
            is_kept(&error.source_addr().expect("it is known").0, &source);
            is_kept(&error.addr().expect("it is known").0, &host);
            match error.cause() {
                Cause::Backend(kept) => is_kept(&kept, &text),
                Cause::Addr(refused) => is_kept(refused.input(), &text),
                other => panic!("{other}"),
            }
        }
    }

    #[test]
    fn an_error_is_small() {
        assert!(size_of::<Error>() <= 96, "{}", size_of::<Error>());
    }
}
