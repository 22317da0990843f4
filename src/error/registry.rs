//! The error of a registry.

use core::fmt;

use crate::addr::name::ErrorText;
use crate::error::kind::ErrorKind;

/// A failure of a registry; prints `REGISTRY: OPERATION [ARGUMENTS]: REASON`.
///
/// Registry and arguments together are kept to 63 bytes, or fewer within an [`Error`](crate::Error), and what is printed
/// of the call to 63. What is beyond is cut, see [`call`](Self::call).
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
    pub(crate) words: ErrorText,
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
        Self::refused(registry, host, ErrorText::display(&format_args!("{data:?}")), reason)
    }

    /// Announcing `host` failed, with data that prints like this.
    pub(crate) fn refused(registry: &str, host: &str, data: ErrorText, reason: RegistryReason) -> Self {
        let mut words = ErrorText::of([registry, "\0", host, "\0"]);
        words.push(&data);
        Self { call: Call::Announce, words, reason }
    }

    /// Asking the registry of this name about `host` failed.
    #[must_use]
    pub fn query(registry: &str, host: &str, reason: RegistryReason) -> Self {
        Self { call: Call::Query, words: ErrorText::of([registry, "\0", host]), reason }
    }

    /// Something else that the registry of this name does failed, in its own words.
    #[must_use]
    pub fn other(registry: &str, failure: &dyn fmt::Display) -> Self {
        Self::told(registry, ErrorText::display(failure))
    }

    /// Something else failed, in these words.
    pub(crate) fn told(registry: &str, failure: ErrorText) -> Self {
        let mut words = ErrorText::of([registry, "\0"]);
        words.push(&failure);
        Self { call: Call::Other, words, reason: RegistryReason::Other }
    }

    /// What is printed before the reason: registry, operation and arguments, up to where any of them was cut.
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
                // Its own words have what separates these.
                if data != ErrorText::EMPTY {
                    call.push_str("\0");
                    call.push(&data);
                }
            }
        }
        call
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

#[cfg(test)]
mod tests {
    extern crate std;
    use std::format;
    use std::string::{String, ToString};

    use super::*;
    use crate::error::cause::Cause;
    use crate::error::packed_strs::tests::{is_kept, texts};
    use crate::error::{Error, Operation};

    /// Each error of a registry, with what it prints before its reason if nothing is cut.
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
    fn a_call_is_whole_or_says_that_it_is_cut() {
        for seed in 0..4_000 {
            for (error, whole) in each(&texts::<3>(seed)) {
                is_kept(&error.call(), &whole);
                assert_eq!(error.to_string(), format!("{}{}", error.call(), error.reason.text()));
                // In an error with long names, less is left of it.
                let [network, host] = texts::<2>(seed);
                let within = Error::subnet(Operation::NewHost, (&*network).into(), &(&*host).into(), error.into());
                let Cause::Registry(kept) = within.cause() else { panic!("{within}") };
                is_kept(&kept.call(), &whole);
            }
        }
    }
}
