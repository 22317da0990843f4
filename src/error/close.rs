//! The error of closing.

use core::fmt;

use crate::addr::name::{ErrorText, HostName};
use crate::error::cause::Cause;
use crate::error::kind::ErrorKind;
use crate::error::packed::PackedCause;
use crate::error::packed_strs::PackedStrs;

/// Closing failed. It carries every failure: first the cause that took the network down, then the engine's, then the
/// registry's.
///
/// Prints `virtnet "x": close: CAUSE`, or several causes on a line each. If a host's close closed the network, it
/// prints `virtnet "x": host "a": close: ` before that. The texts of the failures share 64 bytes; names and texts
/// together share 90. Where they do not fit, the longest are cut. A cut text prints with a trailing `…`, and its
/// [`is_cut`](ErrorText::is_cut) returns true.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CloseError {
    /// Network, host, and the texts of the causes.
    words: PackedStrs<5, 90>,
    causes: [Option<PackedCause>; 3],
}

impl CloseError {
    /// The error of closing `network`, if closing `host` closed it: for authors of a
    /// [`Networker`](crate::Networker).
    ///
    /// # Examples
    ///
    /// ```
    /// use virtnet::{Cause, CloseError};
    ///
    /// let error = CloseError::new("fuzz", None, Cause::backend(&"router is gone"));
    /// assert_eq!(error.to_string(), "virtnet \"fuzz\": close: router is gone");
    /// ```
    #[must_use]
    pub fn new(network: &str, host: Option<&str>, cause: Cause) -> Self {
        let (code, text) = PackedCause::of(cause);
        let host = host.map_or(ErrorText::EMPTY, ErrorText::from);
        let words = [network.into(), host, text, ErrorText::EMPTY, ErrorText::EMPTY];
        Self { words: PackedStrs::new(words), causes: [Some(code), None, None] }
    }

    /// The error of closing `network`, by closing `host` if it is not empty; `Ok` if there was no failure.
    pub(crate) fn check(network: ErrorText, host: HostName, failures: &Failures) -> Result<(), Self> {
        if failures.known == [false; 3] {
            return Ok(());
        }
        let [first, second, third] = failures.texts();
        let words = [network, host.as_str().into(), first, second, third];
        let code = |at: usize| failures.known[at].then_some(failures.codes[at]);
        Err(Self { words: PackedStrs::new(words), causes: [code(0), code(1), code(2)] })
    }

    /// The error of a close that reached its timeout.
    pub(crate) fn timed_out(network: ErrorText, host: HostName) -> Result<(), Self> {
        let mut failures = Failures::NONE;
        failures.set(0, Cause::TimedOut);
        Self::check(network, host, &failures)
    }

    /// The failures, in the order in which they are printed.
    pub fn causes(&self) -> impl Iterator<Item = Cause> {
        let packed = self.causes.iter().enumerate();
        packed.filter_map(|(i, code)| code.map(|code| code.cause(self.words.get(2 + i))))
    }

    /// The full name of the network, cut where names and texts are long.
    #[must_use]
    pub fn network_name(&self) -> ErrorText {
        self.words.get(0)
    }

    /// The host whose close closed the network, if a host did. Its name is cut where names and texts are long.
    #[must_use]
    pub fn host(&self) -> Option<ErrorText> {
        Some(self.words.get(1)).filter(|host| !host.as_str().is_empty())
    }

    /// The kind of the first failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.causes().next().map_or(ErrorKind::Backend, |cause| cause.kind())
    }
}

/// The failures of a close: the cause that took the network down, the engine's and the registry's. They are packed,
/// because every network reserves room for them, and all zeros if there is none.
#[derive(Clone, Copy)]
pub(crate) struct Failures {
    words: PackedStrs<3, 64>,
    codes: [PackedCause; 3],
    known: [bool; 3],
}

impl Failures {
    pub(crate) const NONE: Self =
        Self { words: PackedStrs::EMPTY, codes: [PackedCause::Plain(ErrorKind::NetworkDown); 3], known: [false; 3] };

    pub(crate) fn set(&mut self, at: usize, cause: Cause) {
        let (code, text) = PackedCause::of(cause);
        let mut texts = self.texts();
        (texts[at], self.codes[at], self.known[at]) = (text, code, true);
        self.words = PackedStrs::new(texts);
    }

    fn texts(&self) -> [ErrorText; 3] {
        [0, 1, 2].map(|at| self.words.get(at))
    }
}

impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.texts()).finish()
    }
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = self.host() {
            write!(f, "virtnet {:?}: host {host:?}: close: ", self.network_name())?;
        }
        write!(f, "virtnet {:?}: close: ", self.network_name())?;
        match self.causes().count() {
            1 => self.causes().try_for_each(|cause| write!(f, "{cause}")),
            count => {
                writeln!(f, "{count} errors:")?;
                self.causes().try_for_each(|cause| writeln!(f, "\t- {cause}"))
            }
        }
    }
}

impl fmt::Debug for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseError({:?} {:?} ", self.network_name(), self.host())?;
        f.debug_list().entries(self.causes()).finish()?;
        f.write_str(")")
    }
}

impl core::error::Error for CloseError {}

impl embedded_io::Error for CloseError {
    fn kind(&self) -> embedded_io::ErrorKind {
        CloseError::kind(self).into()
    }
}

#[cfg(feature = "std")]
impl From<CloseError> for std::io::Error {
    fn from(error: CloseError) -> Self {
        Self::new(error.kind().into(), error)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::format;
    use std::string::ToString;

    use super::*;
    use crate::error::packed_strs::tests::{is_kept, texts};

    #[test]
    fn texts_of_a_close_error_are_whole_or_marked_as_cut() {
        for seed in 0..4_000 {
            let [network, host, first, second, third] = texts::<5>(seed);
            let (host, mut failures) = (HostName::cut(&host).0, Failures::NONE);
            // In any order; a second failure in one place replaces the first.
            failures.set(1, Cause::backend(&"what is replaced"));
            for (at, text) in [(2, &third), (0, &first), (1, &second)] {
                failures.set(at, Cause::backend(text));
            }
            let error = CloseError::check(network.as_str().into(), host, &failures).expect_err("it failed");
            is_kept(&error.network_name(), &network);
            is_kept(&error.host().unwrap_or(ErrorText::EMPTY), &host);
            for (cause, whole) in error.causes().zip([&first, &second, &third]) {
                let Cause::Backend(kept) = cause else { panic!("{cause}") };
                // The replaced text had taken room, so others may have been cut.
                assert!(
                    kept == *whole.as_str() || kept.is_cut() && whole.starts_with(kept.as_str()),
                    "{kept:?} of {whole:?}"
                );
            }
        }
    }

    #[test]
    fn unequal_errors_have_unequal_debug_texts() {
        let error = |network: &str, host: &str, text: &str| {
            let mut failures = Failures::NONE;
            failures.set(1, Cause::backend(&text));
            CloseError::check(network.into(), HostName::cut(host).0, &failures).expect_err("it failed")
        };
        let all = [error("x", "", "e"), error("y", "", "e"), error("x", "a", "e"), error("x", "", "e…")];
        for (a, b) in all.iter().flat_map(|a| all.iter().map(move |b| (a, b))) {
            assert_eq!(format!("{a:?}") == format!("{b:?}"), a == b, "{a:?} and {b:?}");
        }
    }

    #[test]
    fn several_failures_of_closing_are_listed() {
        let network = ErrorText::from("x");
        let close = |host: HostName, failures: [(usize, &str); 2]| {
            let mut known = Failures::NONE;
            failures.into_iter().for_each(|(at, text)| known.set(at, Cause::backend(&text)));
            CloseError::check(network, host, &known).unwrap_err()
        };
        assert_eq!(CloseError::check(network, HostName::EMPTY, &Failures::NONE), Ok(()));
        let one = close(HostName::EMPTY, [(1, "eng err"); 2]);
        assert_eq!(one.to_string(), "virtnet \"x\": close: eng err");
        let two = close(HostName::EMPTY, [(2, "reg err"), (1, "eng err")]);
        assert_eq!(two.to_string(), "virtnet \"x\": close: 2 errors:\n\t- eng err\n\t- reg err\n");
        let host = close(HostName::cut("a").0, [(1, "eng err"); 2]);
        assert_eq!(host.to_string(), "virtnet \"x\": host \"a\": close: virtnet \"x\": close: eng err");
    }
}
