//! Parts of the texts of events.

use core::fmt;

use crate::contract::observe::How;

/// The end `local`, whose peer is `peer`, was shut down.
pub(super) fn write_shut(
    f: &mut fmt::Formatter<'_>,
    how: How,
    reset: bool,
    local: &dyn fmt::Display,
    peer: &dyn fmt::Display,
) -> fmt::Result {
    let verb = match how {
        How::Shutdown => "shutdown",
        How::ShutdownRead => "shutdown read",
        How::Close => "close",
        How::Abort => "abort",
        How::Drop => "drop",
    };
    let tail = if reset && how != How::Abort { ": reset" } else { "" };
    write!(f, "{verb} {local}->{peer}{tail}")
}

/// How many bytes were asked for, unless all of them were moved.
pub(super) fn write_of(f: &mut fmt::Formatter<'_>, count: u32, of: u32) -> fmt::Result {
    if count == of { Ok(()) } else { write!(f, " of {of}") }
}
