//! Strings in quotes, as the lines of a handshake have them.
//!
//! What is sent is understood by every implementation: everything stands for itself but quotes, backslashes, control
//! characters and bytes that are no UTF-8. What is read is everything that Go's string literals may be.

use alloc::vec::Vec;

/// Appends `bytes` in quotes.
pub(crate) fn quote(line: &mut Vec<u8>, bytes: &[u8]) {
    line.push(b'"');
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if matches!(character, '"' | '\\') {
                line.push(b'\\');
            }
            let mut buf = [0; 4];
            let encoded = character.encode_utf8(&mut buf).as_bytes();
            if character.is_control() { escape(line, encoded) } else { line.extend(encoded) }
        }
        escape(line, chunk.invalid());
    }
    line.push(b'"');
}

/// Appends bytes by their numbers.
fn escape(line: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        line.extend(b"\\x");
        line.extend([byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]));
    }
}

/// Reads the string at the start of `text`: in double quotes with escapes, or in back quotes without. Returns it with the
/// text behind it; `None` if there is no string.
///
/// Bytes that are no UTF-8 become U+FFFD, if they are not escaped.
pub(crate) fn unquote(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (open, mut rest) = text.split_first()?;
    let mut string = Vec::new();
    match open {
        b'`' => {
            let end = rest.iter().position(|&byte| byte == b'`')?;
            push_lossy(&mut string, &rest[..end]);
            return Some((string, &rest[end + 1..]));
        }
        b'"' => {}
        _ => return None,
    }
    loop {
        let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | b'\n'))?;
        push_lossy(&mut string, &rest[..plain]);
        let (end, behind) = rest[plain..].split_first()?;
        rest = match end {
            b'"' => return Some((string, behind)),
            b'\\' => unescape(&mut string, behind)?,
            _ => return None,
        };
    }
}

/// Reads what stands behind a backslash. Returns the text behind it.
fn unescape<'a>(string: &mut Vec<u8>, text: &'a [u8]) -> Option<&'a [u8]> {
    let (&kind, rest) = text.split_first()?;
    let plain = match kind {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        // Go has no `\'` within double quotes; Python has.
        b'\\' | b'"' | b'\'' => kind,
        b'0'..=b'7' => {
            let (byte, rest) = number(text, 3, 8)?;
            string.push(u8::try_from(byte).ok()?);
            return Some(rest);
        }
        b'x' => {
            let (byte, rest) = number(rest, 2, 16)?;
            string.push(u8::try_from(byte).ok()?);
            return Some(rest);
        }
        b'u' | b'U' => {
            let (code, rest) = number(rest, if kind == b'u' { 4 } else { 8 }, 16)?;
            string.extend(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(rest);
        }
        _ => return None,
    };
    string.push(plain);
    Some(rest)
}

/// Reads a number of exactly `digits` digits. Returns it with the text behind it.
fn number(text: &[u8], digits: usize, radix: u32) -> Option<(u32, &[u8])> {
    let (number, rest) = text.split_at_checked(digits)?;
    let value = number
        .iter()
        .try_fold(0_u32, |value, &digit| value.checked_mul(radix)?.checked_add(char::from(digit).to_digit(radix)?))?;
    Some((value, rest))
}

fn push_lossy(string: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        string.extend(chunk.valid().as_bytes());
        // One for each byte, as Go has it.
        chunk.invalid().iter().for_each(|_| string.extend("\u{fffd}".as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(bytes: &[u8]) -> Vec<u8> {
        let mut line = Vec::new();
        quote(&mut line, bytes);
        line
    }

    #[test]
    fn what_others_understand_is_sent() {
        for (string, want) in [
            (&b""[..], &b"\"\""[..]),
            (b"a b", b"\"a b\""),
            (b"a\"b\\c", b"\"a\\\"b\\\\c\""),
            ("β\u{200b}\u{a0}\u{10ffff}".as_bytes(), "\"β\u{200b}\u{a0}\u{10ffff}\"".as_bytes()),
            (b"\n\x00\x7f", b"\"\\x0a\\x00\\x7f\""),
            ("\u{85}".as_bytes(), b"\"\\xc2\\x85\""),
            (b"\xff\xfe", b"\"\\xff\\xfe\""),
        ] {
            assert_eq!(quoted(string), want, "{string:?}");
            assert_eq!(unquote(want), Some((string.to_vec(), &b""[..])), "{string:?}");
        }
    }

    #[test]
    fn every_string_is_read_as_it_was_sent() {
        for first in 0..=255_u8 {
            for second in 0..=255 {
                let string = [first, second, b'"'];
                let line = quoted(&string);
                assert!(!line.contains(&b'\n'));
                assert_eq!(unquote(&line), Some((string.to_vec(), &b""[..])), "{string:?}");
            }
        }
    }

    #[test]
    fn literals_of_go_are_read() {
        for (text, want) in [
            (r#""\a\b\f\n\r\t\v\\\"" x"#, Some((&b"\x07\x08\x0c\n\r\t\x0b\\\""[..], " x"))),
            (r#""it\'s""#, Some((b"it's", ""))),
            (r#""\316\261""#, Some(("α".as_bytes(), ""))),
            (r#""\xce\xb1""#, Some(("α".as_bytes(), ""))),
            (r#""\u03b1\U000003b1""#, Some(("αα".as_bytes(), ""))),
            (r#"`a\n"b`c"#, Some((b"a\\n\"b", "c"))),
            (r#""\777""#, None),
            (r#""\x1""#, None),
            (r#""\ud800""#, None),
            (r#""\U00110000""#, None),
            (r#""\q""#, None),
            (r#""open"#, None),
            (r#""open\"#, None),
            ("\"new\nline\"", None),
            ("`open", None),
            ("'x'", None),
            ("x", None),
            ("", None),
        ] {
            let want = want.map(|(string, rest)| (string.to_vec(), rest.as_bytes()));
            assert_eq!(unquote(text.as_bytes()), want, "{text}");
        }
        assert_eq!(unquote(b"\"\xff\xce\"").map(|(string, _)| string), Some("\u{fffd}\u{fffd}".into()));
    }
}
