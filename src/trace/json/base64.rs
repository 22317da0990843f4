//! Base64, as RFC 4648 defines it.

#[cfg(feature = "json")]
use alloc::vec::Vec;
use core::fmt::{self, Write};

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn write_base64(to: &mut impl Write, bytes: &[u8]) -> fmt::Result {
    // Parts of whole groups, so that padding is at the end only.
    bytes.chunks(48).try_for_each(|part| {
        let mut text = [b'='; 64];
        for (chunk, digits) in part.chunks(3).zip(text.chunks_mut(4)) {
            let group = (0..3).fold(0, |group, at| group << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
            for (at, digit) in digits.iter_mut().take(chunk.len() + 1).enumerate() {
                *digit = DIGITS[(group >> (18 - 6 * at)) as usize & 63];
            }
        }
        to.write_str(str::from_utf8(&text[..part.len().div_ceil(3) * 4]).map_err(|_| fmt::Error)?)
    })
}

/// The bytes that a text stands for; `None` if it is not the text of any bytes.
#[cfg(feature = "json")]
pub(super) fn read_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for chunk in digits.as_bytes().chunks(4) {
        let group = chunk.iter().try_fold(0, |group, &digit| Some(group << 6 | value(digit)?))?;
        let group = group << (6 * (4 - chunk.len()));
        bytes.extend_from_slice(&group.to_be_bytes()[1..chunk.len()]);
    }
    // There is one text for some bytes: with its padding, and without bits that stand for nothing.
    let mut whole = alloc::string::String::new();
    write_base64(&mut whole, &bytes).ok()?;
    (whole == text).then_some(bytes)
}

/// The value of a digit.
#[cfg(feature = "json")]
fn value(digit: u8) -> Option<u32> {
    let (first, value) = match digit {
        b'A'..=b'Z' => (b'A', 0),
        b'a'..=b'z' => (b'a', 26),
        b'0'..=b'9' => (b'0', 52),
        b'+' => (b'+', 62),
        b'/' => (b'/', 63),
        _ => return None,
    };
    Some(u32::from(digit - first + value))
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    const TEXTS: [&str; 7] = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let encoded = |bytes: &str| {
            let mut text = String::new();
            write_base64(&mut text, bytes.as_bytes()).expect("a string takes all");
            text
        };
        let texts = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(encoded);
        assert_eq!(texts, TEXTS);
        assert_eq!(encoded(&"a".repeat(100)), "YWFh".repeat(33) + "YQ==");
    }

    #[cfg(feature = "json")]
    #[test]
    fn only_the_texts_of_bytes_are_read() {
        let read = TEXTS.map(|text| read_base64(text).expect("it is base64"));
        assert_eq!(read, ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| text.as_bytes().to_vec()));
        for text in ["Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9", "Z m8=", "Zm8=Zm8=", "é", "=", "Zm-_", "Zg==\n"] {
            assert_eq!(read_base64(text), None, "{text:?}");
        }
    }
}
