//! Parts of the texts of events.

use core::fmt;

#[cfg(feature = "alloc")]
use crate::addr::text::{write_host_port, write_number};
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

/// Bytes that were moved, as their line shows them.
#[cfg(feature = "alloc")]
pub(super) struct Moved<'a> {
    /// With a space behind it.
    pub(super) verb: &'a str,
    /// The hosts and ports of the ends from which and to which they flow.
    pub(super) ends: [(&'a str, u16); 2],
    pub(super) count: u32,
    pub(super) of: u32,
    pub(super) bytes: &'a [u8],
}

#[cfg(feature = "alloc")]
impl Moved<'_> {
    pub(super) fn write(&self, to: &mut impl fmt::Write) -> fmt::Result {
        let Self { verb, ends: [src, dst], count, of, bytes } = *self;
        to.write_str(verb)?;
        write_host_port(to, src.0, "", src.1)?;
        to.write_str("->")?;
        write_host_port(to, dst.0, "", dst.1)?;
        to.write_str(": ")?;
        write_number(to, count)?;
        if count != of {
            to.write_str(" of ")?;
            write_number(to, of)?;
        }
        let shown = bytes.get(..SHOWN).unwrap_or(bytes);
        if shown.is_empty() {
            return Ok(());
        }
        to.write_str(" \"")?;
        write_escaped(to, shown)?;
        to.write_str(if shown.len() < count as usize { "\"…" } else { "\"" })
    }
}

/// Writes what `escape_ascii` prints, without `core::fmt`'s formatting code.
#[cfg(feature = "alloc")]
fn write_escaped(to: &mut impl fmt::Write, mut bytes: &[u8]) -> fmt::Result {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\'' | b'\\');
    loop {
        let plain = bytes.iter().take_while(|byte| is_plain(byte)).count();
        to.write_str(core::str::from_utf8(&bytes[..plain]).unwrap_or_default())?;
        let Some((&byte, rest)) = bytes[plain..].split_first() else { return Ok(()) };
        core::ascii::escape_default(byte).try_for_each(|byte| to.write_char(char::from(byte)))?;
        bytes = rest;
    }
}

/// So many bytes of a write or read are in its text.
#[cfg(feature = "alloc")]
pub(super) const SHOWN: usize = 32;

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn bytes_are_escaped_as_by_the_standard_library() {
        let all: Vec<u8> = (0..=255).chain(*b"plain \"text\"\\ at the end").collect();
        for bytes in (0..all.len()).flat_map(|at| [&all[at..], &all[..at]]) {
            let mut text = String::new();
            write_escaped(&mut text, bytes).unwrap();
            assert_eq!(text, bytes.escape_ascii().to_string());
        }
    }
}
