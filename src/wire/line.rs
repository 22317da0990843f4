//! The two lines of a handshake.
//!
//! ```text
//! > lonet "NETWORK" dial "SRC" "DST"
//! < lonet "NETWORK" connected "ADDR"
//! < lonet "NETWORK" E "ERROR"
//! ```
//!
//! They are sent in exactly this form. Between its parts, any number of blanks and tabs is read.

use alloc::vec::Vec;

use crate::wire::quote::{quote, unquote};

/// The longest line, with its end.
pub(crate) const MAX_LINE: usize = 1024;

/// A request, as its strings have it.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) network: Vec<u8>,
    pub(crate) src: Vec<u8>,
    pub(crate) dst: Vec<u8>,
}

/// A reply, as its strings have it.
#[derive(Debug, PartialEq)]
pub(crate) struct Reply {
    pub(crate) network: Vec<u8>,
    /// `connected`, `E`, or another word.
    pub(crate) verb: Vec<u8>,
    pub(crate) text: Vec<u8>,
}

impl Request {
    /// The line of a request.
    pub(crate) fn line(network: &str, src: &str, dst: &str) -> Vec<u8> {
        let mut line = b"> lonet ".to_vec();
        quote(&mut line, network.as_bytes());
        line.extend(b" dial ");
        quote(&mut line, src.as_bytes());
        line.push(b' ');
        quote(&mut line, dst.as_bytes());
        line.push(b'\n');
        line
    }

    /// Reads a line.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let (network, rest) = string(word(line, b">")?)?;
        let (src, rest) = string(after(rest, b"dial")?)?;
        let (dst, rest) = string(rest)?;
        is_end(rest).then_some(Self { network, src, dst })
    }
}

impl Reply {
    /// The line that accepts.
    pub(crate) fn connected(network: &str, addr: &str) -> Vec<u8> {
        Self::line(network, "connected", addr.as_bytes())
    }

    /// The line that refuses.
    pub(crate) fn refused(network: &str, error: &[u8]) -> Vec<u8> {
        Self::line(network, "E", error)
    }

    fn line(network: &str, verb: &str, text: &[u8]) -> Vec<u8> {
        let mut line = b"< lonet ".to_vec();
        quote(&mut line, network.as_bytes());
        line.push(b' ');
        line.extend(verb.as_bytes());
        line.push(b' ');
        quote(&mut line, text);
        line.push(b'\n');
        line
    }

    /// Reads a line.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let (network, rest) = string(word(line, b"<")?)?;
        let rest = blanks(rest)?;
        let end = rest.iter().position(|&byte| is_blank(byte) || byte == b'\n')?;
        let (verb, rest) = rest.split_at(end);
        let (text, rest) = string(rest)?;
        (!verb.is_empty() && is_end(rest)).then(|| Self { network, verb: verb.to_vec(), text })
    }
}

/// The text behind `mark` and `lonet`, which begin a line.
fn word<'a>(line: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    after(line.strip_prefix(mark)?, b"lonet")
}

/// The text behind blanks and `word`.
fn after<'a>(text: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    blanks(text)?.strip_prefix(word)
}

/// The string behind blanks, and the text behind it.
fn string(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    unquote(blanks(text)?)
}

/// The text behind at least one blank.
fn blanks(text: &[u8]) -> Option<&[u8]> {
    let rest = skip(text);
    (rest.len() < text.len()).then_some(rest)
}

fn skip(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&byte| !is_blank(byte)).unwrap_or(text.len());
    &text[start..]
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Whether a line ends here. The longest has no room for its end.
fn is_end(rest: &[u8]) -> bool {
    matches!(skip(rest), b"" | b"\n" | b"\r\n")
}

/// Reads a line of another process, and what is read as it is sent. Returns whether it is a line.
///
/// # Panics
///
/// If it is not read again as it was, or what is sent is more than a line.
#[cfg(any(test, feature = "testing"))]
#[cfg_attr(not(feature = "testing"), allow(unreachable_pub, reason = "public for fuzzing"))]
pub fn check_line(line: &[u8]) -> bool {
    let text = |bytes: &[u8]| alloc::string::String::from_utf8_lossy(bytes).into_owned();
    let request = Request::parse(line);
    if let Some(request) = &request {
        let [network, src, dst] = [&request.network, &request.src, &request.dst].map(|part| text(part));
        let sent = Request::line(&network, &src, &dst);
        let want = Request { network: network.into(), src: src.into(), dst: dst.into() };
        assert_eq!(Request::parse(&sent), Some(want), "{line:?}");
        assert_eq!(sent.iter().position(|&byte| byte == b'\n'), Some(sent.len() - 1), "{line:?}");
    }
    let reply = Reply::parse(line);
    if let Some(Reply { network, text: error, .. }) = &reply {
        let sent = Reply::refused(&text(network), error);
        let want = Reply { network: text(network).into(), verb: b"E".into(), text: error.clone() };
        assert_eq!(Reply::parse(&sent), Some(want), "{line:?}");
        assert_eq!(sent.iter().position(|&byte| byte == b'\n'), Some(sent.len() - 1), "{line:?}");
    }
    // Any bytes are read as they were quoted, and nothing behind them.
    let mut quoted = Vec::new();
    quote(&mut quoted, line);
    assert_eq!(unquote(&quoted), Some((line.to_vec(), &b""[..])));
    request.is_some() || reply.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_sent() {
        let line = Request::line("lonetnet", "β:1", "[a:b]:10");
        assert_eq!(line, "> lonet \"lonetnet\" dial \"β:1\" \"[a:b]:10\"\n".as_bytes());
        let request = Request { network: b"lonetnet".to_vec(), src: "β:1".into(), dst: b"[a:b]:10".to_vec() };
        assert_eq!(Request::parse(&line), Some(request));
        let line = Reply::connected("lonetnet", "α:1");
        assert_eq!(line, "< lonet \"lonetnet\" connected \"α:1\"\n".as_bytes());
        let reply =
            |verb: &str, text: &str| Reply { network: b"lonetnet".to_vec(), verb: verb.into(), text: text.into() };
        assert_eq!(Reply::parse(&line), Some(reply("connected", "α:1")));
        let line = Reply::refused("lonetnet", b"connection refused");
        assert_eq!(line, b"< lonet \"lonetnet\" E \"connection refused\"\n");
        assert_eq!(Reply::parse(&line), Some(reply("E", "connection refused")));
    }

    /// Lines with some bytes changed, taken out or put in: none of them panics, and one that is read is read again as it is
    /// sent.
    #[test]
    fn random_lines_are_read_or_refused() {
        let whole = [
            Request::line("lonetnet", "β:1", "[a:b]:10"),
            Reply::connected("n", "α\u{85}:1"),
            b"> lonet `n` dial \"\\x41\\u03b1\" \"\\'\"\r\n".to_vec(),
        ];
        let mut seed = 1_u64;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % below
        };
        let mut read = 0;
        for round in 0..50_000 {
            let mut line = whole[round % whole.len()].clone();
            for _ in 0..1 + random(3) {
                let at = random(line.len());
                let byte = b"\"\\`' \t\r\n>xuU07[:]\xce\xff\0"[random(20)];
                match random(3) {
                    0 => line[at] = byte,
                    1 => line.insert(at, byte),
                    _ => drop(line.remove(at)),
                }
            }
            read += u32::from(check_line(&line));
        }
        assert!(read > 5_000, "{read}");
    }

    #[test]
    fn blanks_may_be_many_and_the_rest_is_exact() {
        let accepted = |line: &str| Request::parse(line.as_bytes()).is_some();
        for line in [
            "> lonet \"n\" dial \"x:1\" \"y:1\"\n",
            "> lonet \"n\" dial \"x:1\" \"y:1\"",
            ">  lonet\t\"n\"  dial \t \"x:1\"   \"y:1\" \t\r\n",
            "> lonet `n` dial `x:1` `y:1`\n",
        ] {
            assert!(accepted(line), "{line:?}");
        }
        for line in [
            "",
            "\n",
            " > lonet \"n\" dial \"x:1\" \"y:1\"\n",
            ">lonet \"n\" dial \"x:1\" \"y:1\"\n",
            "> lonet \"n\"dial \"x:1\" \"y:1\"\n",
            "> lonet \"n\" dial\"x:1\" \"y:1\"\n",
            "> lonet \"n\" dial \"x:1\"\"y:1\"\n",
            "> lonet \"n\" Dial \"x:1\" \"y:1\"\n",
            "> lonet \"n\" dial \"x:1\" \"y:1\" z\n",
            "> lonet \"n\" dial \"x:1\" \"y:1\" \"z\"\n",
            "> lonet n dial \"x:1\" \"y:1\"\n",
            "> lonet \"n\" dial \"x:1\"\n",
            "< lonet \"n\" dial \"x:1\" \"y:1\"\n",
        ] {
            assert!(!accepted(line), "{line:?}");
        }
        assert_eq!(Reply::parse(b"< lonet \"n\"  \"x\"\n"), None);
        assert_eq!(Reply::parse(b"< lonet \"n\" connected fake:5\n"), None);
    }
}
