//! The contract of who is where, and its error.

use core::fmt::{self, Write as _};
use core::future::Future;

use crate::cause::{Cause, ErrorKind};
use crate::name::Text;

/// Host name → host data, shared by all subnetworks of a network. In RAM, a file, a server, a broadcast.
///
/// An engine announces its hosts here, and the core asks for the host of every address that is dialled. Methods are
/// called through a shared reference, from any thread, several at once, and under no lock. A future that is dropped
/// has either done its work or not.
pub trait Registry: Send + Sync {
    /// What is kept for a host; see [`Engine::Data`](crate::Engine::Data).
    type Data: Clone + fmt::Debug + Send;

    /// Takes the name `host` and keeps `data` with it. A name once taken stays taken.
    ///
    /// # Errors
    ///
    /// [`RegistryReason::HostExists`](crate::RegistryReason::HostExists) if the name is taken,
    /// [`RegistryReason::Down`](crate::RegistryReason::Down) after [`close`](Registry::close).
    fn announce(&self, host: &str, data: Self::Data) -> impl Future<Output = Result<(), RegistryError>> + Send;

    /// What is kept for `host`.
    ///
    /// # Errors
    ///
    /// [`RegistryReason::NoSuchHost`](crate::RegistryReason::NoSuchHost) if nobody has taken the name,
    /// [`RegistryReason::Down`](crate::RegistryReason::Down) after [`close`](Registry::close).
    fn query(&self, host: &str) -> impl Future<Output = Result<Self::Data, RegistryError>> + Send;

    /// The network of this subnetwork is closed: called once, after the engine's close, unless an earlier call's future
    /// was dropped before it was done.
    ///
    /// # Errors
    ///
    /// What did not go well; it is reported by every close of the network.
    fn close(&self) -> impl Future<Output = Result<(), Cause>> + Send;
}

/// A failure of a registry; prints `REGISTRY: OPERATION [ARGUMENTS]: REASON`.
///
/// Registry, operation and arguments together are kept to 63 bytes, cut with `…` beyond.
///
/// # Examples
///
/// ```
/// use virtnet::{RegistryError, RegistryReason};
///
/// let error = RegistryError::query("file(lab)", "γ", RegistryReason::NoSuchHost);
/// assert_eq!(error.to_string(), r#"file(lab): query ["γ"]: no such host"#);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RegistryError {
    pub(crate) call: Call,
    /// Registry and arguments, with a NUL between. They are put into the call's form when they are printed.
    pub(crate) words: Text,
    pub(crate) reason: RegistryReason,
}

/// What a registry was asked to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// With the host and what is kept for it.
    Announce,
    /// With the host.
    Query,
    /// Something else, with what the registry says about it.
    Other,
}

impl RegistryError {
    /// Announcing `host` with `data` to the registry of this name failed.
    #[must_use]
    pub fn announce(registry: &str, host: &str, data: &dyn fmt::Debug, reason: RegistryReason) -> Self {
        Self::refused(registry, host, Text::display(&format_args!("{data:?}")), reason)
    }

    /// Announcing `host` failed, with data that prints like this.
    pub(crate) fn refused(registry: &str, host: &str, data: Text, reason: RegistryReason) -> Self {
        Self { call: Call::Announce, words: Text::of([registry, "\0", host, "\0", data.as_str()]), reason }
    }

    /// Asking the registry of this name about `host` failed.
    #[must_use]
    pub fn query(registry: &str, host: &str, reason: RegistryReason) -> Self {
        Self { call: Call::Query, words: Text::of([registry, "\0", host]), reason }
    }

    /// Something else that the registry of this name does failed, in its own words.
    #[must_use]
    pub fn other(registry: &str, failure: &dyn fmt::Display) -> Self {
        Self::told(registry, Text::display(failure))
    }

    /// Something else failed, in these words.
    pub(crate) fn told(registry: &str, failure: Text) -> Self {
        let words = Text::of([registry, "\0", failure.as_str()]);
        Self { call: Call::Other, words, reason: RegistryReason::Other }
    }

    /// Why it failed.
    #[must_use]
    pub fn reason(&self) -> RegistryReason {
        self.reason
    }

    /// The kind of failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self.reason {
            RegistryReason::NoSuchHost => ErrorKind::NoSuchHost,
            RegistryReason::HostExists => ErrorKind::HostExists,
            RegistryReason::Down => ErrorKind::RegistryDown,
            RegistryReason::Other => ErrorKind::Backend,
        }
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is printed of the call has a bound, too.
        let mut call = Text::EMPTY;
        let [registry, host, data] = self.words.split('\0');
        match self.call {
            Call::Announce => write!(call, "{registry}: announce [{host:?} {data}]"),
            Call::Query => write!(call, "{registry}: query [{host:?}]"),
            Call::Other if data.as_str().is_empty() => write!(call, "{registry}: {host}"),
            // Its own words have what separates these.
            Call::Other => write!(call, "{registry}: {host}\0{data}"),
        }?;
        write!(f, "{call}{}", self.reason.text())
    }
}

impl fmt::Debug for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegistryError({self})")
    }
}

impl core::error::Error for RegistryError {}

/// Why a registry failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryReason {
    /// It knows no host of that name.
    NoSuchHost,
    /// It knows a host of that name already.
    HostExists,
    /// It was closed.
    Down,
    /// What its text says.
    Other,
}

impl RegistryReason {
    /// What it adds to the text of the call.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NoSuchHost => ": no such host",
            Self::HostExists => ": host already registered",
            Self::Down => ": registry is down",
            Self::Other => "",
        }
    }
}
