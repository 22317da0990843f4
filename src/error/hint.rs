//! Hints: what the author of a program may want to change after an error.

use core::fmt;

use crate::addr::name::{ErrorText, HostName};
use crate::error::cause::{Cause, InvalidInput};
use crate::error::{Error, Operation};

/// Advice that goes with an [`Error`], see [`Error::hint`]. It is no part of the error's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hint {
    /// The address to listen on is of this host, so only that host can listen on it.
    ListenThere(ErrorText),
    /// No host bears the name, and this one's name differs only in the case of letters.
    OtherCase(ErrorText),
    /// The name of the network is invalid. It was given where the network was made.
    NetworkName,
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ListenThere(host) => write!(f, "listen there from host {host} instead"),
            Self::OtherCase(host) => write!(f, "there is a host {host:?}"),
            Self::NetworkName => {
                f.write_str("the network was given this name where it was made: at most 31 bytes, no bracket")
            }
        }
    }
}

impl Error {
    /// Advice, for the errors that have any:
    ///
    /// | error | hint |
    /// |---|---|
    /// | `listen pipet a:5: cannot listen on requested address` | listen there from host a instead |
    /// | `dial pipet a:1->DB:5: ram(pipet): query ["DB"]: no such host` | there is a host "db" |
    /// | `virtnet "pipe…": new host "a": invalid network name` | the network was given this name where it was made: at most 31 bytes, no bracket |
    ///
    /// A growable network looks for names in another case, among its first 1024 hosts. Where names are long, the hint
    /// is cut or left out. It prints behind the error with `{:#}`, and in what a failing `unwrap` prints; not in builds
    /// without `alloc`, where that code would take flash.
    ///
    /// # Examples
    ///
    /// ```
    /// use virtnet::{Hint, pipenet};
    ///
    /// let net = pipenet::Network::new("t");
    /// let (a, b) = (net.host("a")?, net.host("db")?);
    /// let error = a.listen("db:5").unwrap_err();
    /// assert_eq!(error.hint(), Some(Hint::ListenThere("db".into())));
    /// assert_eq!(
    ///     format!("{error:#}"),
    ///     "listen pipet db:5: cannot listen on requested address (listen there from host db instead)"
    /// );
    /// let error = a.listen("DB:5").unwrap_err();
    /// assert_eq!(error.hint().unwrap().to_string(), r#"there is a host "db""#);
    /// # Ok::<(), virtnet::Error>(())
    /// ```
    #[must_use]
    pub fn hint(&self) -> Option<Hint> {
        let host = self.words.get(2);
        let kept = self.words.rest();
        if !kept.is_empty() {
            // The two names have the same length.
            let cut = host.is_cut() || kept.len() < host.as_str().len();
            return Some(Hint::OtherCase(ErrorText::head(kept, cut)));
        }
        match self.cause() {
            Cause::AddrNotAvailable if self.operation == Operation::Listen => Some(Hint::ListenThere(host)),
            Cause::Invalid(InvalidInput::NetworkName) => Some(Hint::NetworkName),
            _ => None,
        }
    }

    /// Writes the hint behind the text of the error.
    pub(super) fn write_hint(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hint().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }

    /// The error with the hint that there is a host whose name differs only in case, as far as there is room for it.
    pub(crate) fn with_other_case(mut self, host: &HostName) -> Self {
        self.words.push_rest(host);
        self
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::format;

    use super::*;
    use crate::addr::Addr;

    fn unknown(name: &str, other: &str) -> Error {
        let addr = Addr::new("", name, 1).expect("valid");
        let error = Error::new(Operation::Dial, "pipet", None, Some(addr), Cause::NoSuchHost);
        let hinted = error.with_other_case(&HostName::valid(other, "").expect("valid"));
        assert_eq!(format!("{hinted}"), format!("{error}"), "a hint is no part of the text");
        assert_eq!((hinted.cause(), hinted.addr()), (error.cause(), error.addr()));
        hinted
    }

    #[test]
    #[cfg(feature = "alloc")]
    fn a_hint_is_printed_by_the_alternate_form_and_by_debug() {
        let error = unknown("DB", "db");
        assert_eq!(format!("{error:#}"), r#"dial pipet DB:1: no such host (there is a host "db")"#);
        assert_eq!(format!("{error:?}"), r#"Error(NoSuchHost: dial pipet DB:1: no such host (there is a host "db"))"#);
        let error = Error::new(Operation::Dial, "pipet", None, None, Cause::NoSuchHost);
        assert_eq!((format!("{error:#}"), error.hint()), (format!("{error}"), None));
    }

    #[test]
    fn a_hint_is_cut_where_names_are_long() {
        let hint = |len| unknown(&"H".repeat(len), &"h".repeat(len)).hint().map(|hint| format!("{hint}"));
        assert_eq!(hint(36), Some(format!("there is a host \"{}\"", "h".repeat(36))));
        assert_eq!(hint(40), Some(format!("there is a host \"{}\"…", "h".repeat(33))));
        assert_eq!(hint(63), Some(format!("there is a host \"{}\"…", "h".repeat(10))));
        let error = Error::new(
            Operation::Dial,
            &"n".repeat(31),
            None,
            Addr::new("", &"H".repeat(63), 1).ok(),
            Cause::NoSuchHost,
        );
        assert_eq!(error.with_other_case(&HostName::valid(&"h".repeat(63), "").expect("valid")).hint(), None);
    }

    #[test]
    fn a_listen_at_a_foreign_address_says_where_to_listen() {
        let error = |operation| {
            Error::new(operation, "pipet", None, Addr::new("", "a", 5).ok(), Cause::AddrNotAvailable).hint()
        };
        assert_eq!(error(Operation::Listen), Some(Hint::ListenThere("a".into())));
        assert_eq!(error(Operation::Accept), None);
    }
}
