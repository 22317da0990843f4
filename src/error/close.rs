//! The error of closing.

use core::fmt;

use crate::addr::name::{ErrorText, HostName};
use crate::error::cause::Cause;
use crate::error::kind::ErrorKind;
use crate::error::packed::PackedCause;
use crate::error::packed_strs::PackedStrs;

/// Closing did not go well: every failure on the way, the cause of going down first, then the engine's, then the
/// registry's.
///
/// Prints `virtnet "x": close: CAUSE`, or each of several on a line of its own; a host's close that closed the network
/// prints `virtnet "x": host "a": close: ` before that. The failures' texts share 64 bytes, and names and texts together
/// 90. Where they do not fit, the longest are cut: they are printed with `…` behind, and what is returned of them
/// [says](ErrorText::is_cut) that they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CloseError {
    /// Network, host, texts of the causes.
    words: PackedStrs<5, 90>,
    causes: [Option<PackedCause>; 3],
}

impl CloseError {
    /// The failures of closing `network`, by closing `host` if it is named, or `Ok` if there were none.
    pub(crate) fn check(network: ErrorText, host: HostName, failures: &Failures) -> Result<(), Self> {
        if failures.known == [false; 3] {
            return Ok(());
        }
        let [first, second, third] = failures.texts();
        let words = [network, host.as_str().into(), first, second, third];
        let code = |at: usize| failures.known[at].then_some(failures.codes[at]);
        Err(Self { words: PackedStrs::new(words), causes: [code(0), code(1), code(2)] })
    }

    /// The error of a close whose time is over.
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

    /// The full name of the network, or what is left of it where names and texts are long.
    #[must_use]
    pub fn network_name(&self) -> ErrorText {
        self.words.get(0)
    }

    /// The host whose close closed the network, if it was one, or what is left of its name.
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

/// What went wrong on the way: the cause of going down, what the engine and what the registry said. Packed, as every
/// network has room for it, and all zeros if nothing did.
#[derive(Clone, Copy)]
pub(crate) struct Failures {
    words: PackedStrs<3, 64>,
    codes: [PackedCause; 3],
    known: [bool; 3],
}

impl Failures {
    pub(crate) const NONE: Self =
        Self { words: PackedStrs::EMPTY, codes: [PackedCause::Plain(0); 3], known: [false; 3] };

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
    fn what_a_close_returns_is_whole_or_says_that_it_is_cut() {
        for seed in 0..4_000 {
            let [network, host, first, second, third] = texts::<5>(seed);
            let (host, mut failures) = (HostName::cut(&host).0, Failures::NONE);
            // In any order; what is set again replaces what was there.
            failures.set(1, Cause::backend(&"what is replaced"));
            for (at, text) in [(2, &third), (0, &first), (1, &second)] {
                failures.set(at, Cause::backend(text));
            }
            let error = CloseError::check(network.as_str().into(), host, &failures).expect_err("it failed");
            is_kept(&error.network_name(), &network);
            is_kept(&error.host().unwrap_or(ErrorText::EMPTY), &host);
            for (cause, whole) in error.causes().zip([&first, &second, &third]) {
                let Cause::Backend(kept) = cause else { panic!("{cause}") };
                // What was replaced had taken room.
                assert!(
                    kept == *whole.as_str() || kept.is_cut() && whole.starts_with(kept.as_str()),
                    "{kept:?} of {whole:?}"
                );
            }
        }
    }

    #[test]
    fn an_error_shows_all_that_makes_it_another() {
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
