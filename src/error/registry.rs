//! The error of a registry.

use core::fmt;

use crate::addr::name::ErrorText;
use crate::error::kind::ErrorKind;

/// A failure of a registry. Prints `REGISTRY: OPERATION [ARGUMENTS]: REASON`.
///
/// Registry and arguments together are limited to 63 bytes, or fewer within an [`Error`](crate::Error). The printed
/// call is limited to 63 bytes. Longer texts are cut, see [`call`](Self::call).
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
    /// Registry and arguments, separated by NULs. Printing puts them into the form of the call.
    pub(crate) words: ErrorText,
    pub(crate) reason: RegistryReason,
}

/// The call to a registry that failed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// Its arguments are the host and the host's data.
    Announce,
    /// Its argument is the host.
    Query,
    /// Another call, described by a text of the registry's own.
    Other,
}

impl RegistryError {
    /// Announcing `host` with `data` to the registry named `registry` failed.
    #[must_use]
    pub fn announce(registry: &str, host: &str, data: &dyn fmt::Debug, reason: RegistryReason) -> Self {
        Self::refused(registry, host, ErrorText::display(&format_args!("{data:?}")), reason)
    }

    /// Announcing `host` failed; `data` is the debug text of its data.
    pub(crate) fn refused(registry: &str, host: &str, data: ErrorText, reason: RegistryReason) -> Self {
        let mut words = ErrorText::of([registry, "\0", host, "\0"]);
        words.push(&data);
        Self { call: Call::Announce, words, reason }
    }

    /// Querying the registry named `registry` for `host` failed.
    #[must_use]
    pub fn query(registry: &str, host: &str, reason: RegistryReason) -> Self {
        Self { call: Call::Query, words: ErrorText::of([registry, "\0", host]), reason }
    }

    /// Another call of the registry named `registry` failed; `failure` prints a text of its own.
    #[must_use]
    pub fn other(registry: &str, failure: &dyn fmt::Display) -> Self {
        Self::told(registry, ErrorText::display(failure))
    }

    /// Another call of the registry named `registry` failed, with this text.
    pub(crate) fn told(registry: &str, failure: ErrorText) -> Self {
        let mut words = ErrorText::of([registry, "\0"]);
        words.push(&failure);
        Self { call: Call::Other, words, reason: RegistryReason::Other }
    }

    /// The text that is printed before the reason: registry, operation and arguments, up to the first cut.
    ///
    /// # Examples
    ///
    /// ```
    /// use virtnet::{RegistryError, RegistryReason};
    ///
    /// let error = |host: &str| RegistryError::query("file(lab)", host, RegistryReason::NoSuchHost);
    /// assert_eq!(error("γ").call(), r#"file(lab): query ["γ"]"#);
    /// assert!(error(&"h".repeat(50)).call().is_cut());
    /// ```
    #[must_use]
    pub fn call(&self) -> ErrorText {
        let mut call = ErrorText::EMPTY;
        let [registry, host, data] = self.words.split('\0');
        call.push(&registry);
        match self.call {
            Call::Announce => {
                call.push_str(": announce [");
                call.push_quoted(&host);
                call.push_str(" ");
                call.push(&data);
                call.push_str("]");
            }
            Call::Query => {
                call.push_str(": query [");
                call.push_quoted(&host);
                call.push_str("]");
            }
            Call::Other => {
                call.push_str(": ");
                call.push(&host);
                // The registry's own text contains a NUL, the separator.
                if data != ErrorText::EMPTY {
                    call.push_str("\0");
                    call.push(&data);
                }
            }
        }
        call
    }

    /// Why the call failed.
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
        write!(f, "{}{}", self.call(), self.reason.text())
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
    /// The registry knows no host of that name.
    NoSuchHost,
    /// The registry already knows a host of that name.
    HostExists,
    /// The registry was closed.
    Down,
    /// Another reason, in the text of the error.
    Other,
}

impl RegistryReason {
    /// The text that is printed behind the call.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NoSuchHost => ": no such host",
            Self::HostExists => ": host already registered",
            Self::Down => ": registry is down",
            Self::Other => "",
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::format;
    use std::string::{String, ToString};

    use super::*;
    use crate::error::cause::Cause;
    use crate::error::packed_strs::tests::{is_kept, texts};
    use crate::error::{Error, Operation};

    /// An error of each call, with the text that it prints before its reason if nothing is cut.
    fn each([registry, host, data]: &[String; 3]) -> [(RegistryError, String); 3] {
        let reason = RegistryReason::Down;
        [
            (
                RegistryError::announce(registry, host, data, reason),
                format!("{registry}: announce [{host:?} {data:?}]"),
            ),
            (RegistryError::query(registry, host, reason), format!("{registry}: query [{host:?}]")),
            (RegistryError::other(registry, data), format!("{registry}: {data}")),
        ]
    }

    #[test]
    fn a_call_is_whole_or_marked_as_cut() {
        for seed in 0..4_000 {
            for (error, whole) in each(&texts::<3>(seed)) {
                is_kept(&error.call(), &whole);
                assert_eq!(error.to_string(), format!("{}{}", error.call(), error.reason.text()));
                // Within an error with long names, the call has less room.
                let [network, host] = texts::<2>(seed);
                let within = Error::subnet(Operation::NewHost, (&*network).into(), &(&*host).into(), error.into());
                let Cause::Registry(kept) = within.cause() else { panic!("{within}") };
                is_kept(&kept.call(), &whole);
            }
        }
    }
}
