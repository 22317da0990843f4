//! Rules: a function of the program that sees each dial and each write.

use core::time::Duration;

/// A dial or a write that a [rule](crate::sim::Faults::rule) looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Traffic<'a> {
    /// A dial.
    #[non_exhaustive]
    Dial {
        /// The host that dials.
        from: &'a str,
        /// The host that is dialled.
        to: &'a str,
        /// The port that is dialled.
        port: u16,
    },
    /// A write, before it is made. One that has to wait for room is looked at each time that it is tried.
    #[non_exhaustive]
    Write {
        /// The host that writes.
        from: &'a str,
        /// The host of its peer.
        to: &'a str,
        /// The bytes, of which the connection may take only the first ones.
        bytes: &'a [u8],
    },
}

/// What becomes of a dial or a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It arrives as ever.
    Pass,
    /// It arrives later by so much; so does what comes after it on the same connection.
    Delay(Duration),
    /// It arrives when its direction is [released](crate::sim::Route::release), with what comes after it.
    Hold,
    /// The connection is reset, a dial is refused at once.
    Reset,
    /// A dial is refused where it arrives; a write resets its connection.
    Refuse,
}

/// A rule of a program.
pub(super) type Rule = dyn Fn(&Traffic<'_>) -> Verdict + Send + Sync;
