//! Writing addresses and numbers.

use core::fmt;

/// Writes without `core::fmt`'s formatting code, so that programs which print no error do not link it. `tail` marks a
/// cut host.
pub(crate) fn write_host_port(to: &mut impl fmt::Write, host: &str, tail: &str, port: u16) -> fmt::Result {
    let (open, close) = if first(host, b':').is_some() { ("[", "]:") } else { ("", ":") };
    to.write_str(open)?;
    to.write_str(host)?;
    to.write_str(tail)?;
    to.write_str(close)?;
    write_number(to, port.into())
}

pub(crate) fn write_number(to: &mut impl fmt::Write, number: u32) -> fmt::Result {
    if number >= 10 {
        write_number(to, number / 10)?;
    }
    to.write_char(char::from(b'0' + (number % 10) as u8))
}

/// The first position of an ASCII character. A search for a byte takes a fifth of the code of a search for a `char`.
pub(super) fn first(text: &str, character: u8) -> Option<usize> {
    text.bytes().position(|byte| byte == character)
}
